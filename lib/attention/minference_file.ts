/**
 * The JSON files that MInference publishes: a list over layers whose elements map the number of a head, as text, to
 * `[type, v, s, score]`.
 */
import type { ZodType } from "zod";
import type { HeadFile, HeadFileLayer, HeadFileModel, QueryHeadEntry } from "./head_file.ts";
import type { HeadPattern } from "./head_pattern.ts";
import { formatError, loadZod, parseWith, readJson, writeText, type Zod } from "./json_file.ts";
import { minferenceNotices } from "./minference_notices.ts";

/** A head of a published file. */
export type MinferenceEntry = readonly [
  type: "vertical_and_slash" | "stream_llm" | "block_sparse",
  v: number,
  s: number,
  score: number,
];

/** A published file: for each layer the heads by number. */
export type MinferenceJson = readonly Readonly<Record<string, MinferenceEntry>>[];

/** Options of {@link readMInferenceFile}. */
export interface ReadMInferenceOptions {
  /** The model that the file is for. */
  readonly model: HeadFileModel;
  /** When it was read, ISO 8601. @default null */
  readonly date?: string | null;
}

/** A published file as a head file. */
export interface ReadMInference {
  /** What it says. */
  readonly heads: HeadFile;
  /** What makes it doubtful, for people; empty where nothing does. */
  readonly notices: readonly string[];
}

const MAX_BYTES = 64 * 2 ** 20;
const MAX_BUDGET = 2 ** 31 - 1;

/** What the released code gives a head that is not in the file. */
const MISSING: HeadPattern = { kind: "verticalSlash", vertical: 1000, slash: 6096 };

/** What the released kernel computes for a block-sparse head, whatever its two numbers say. */
const BLOCKS = { kind: "blockSparse", block: 64, topK: 100 } as const satisfies HeadPattern;

/**
 * Reads a file that MInference publishes.
 *
 * @throws {ModelFormatError} when it is damaged, or not of the model
 */
export async function readMInferenceFile(
  path: string,
  options: ReadMInferenceOptions,
): Promise<ReadMInference> {
  return await parseMInference(await readJson(path, MAX_BYTES), path, options);
}

/** Checks and converts the JSON of a published file; `file` is how errors call it. */
export async function parseMInference(
  json: unknown,
  file: string,
  { model, date = null }: ReadMInferenceOptions,
): Promise<ReadMInference> {
  const layers = parseWith(schema(await loadZod()), json, file);
  checkShape(layers, model, file);
  const source = { by: "MInference file", version: 1, date, tokens: null };
  const heads: HeadFile = {
    model,
    obtained: [{ ...source, criterion: null, texts: [], settings: { file: baseName(file) } }],
    layers: layers.map((layer) => layerOf(layer, model)),
  };
  return { heads, notices: minferenceNotices(layers, model) };
}

/**
 * Writes the patterns of a head file as MInference reads them. An old file gives way all at once.
 *
 * @throws {RangeError} when a head has no pattern, or one that the format cannot tell; an old file stays
 */
export async function writeMInferenceFile(path: string, heads: HeadFile): Promise<void> {
  const layers = heads.layers.map(({ queryHeads }, layer) => {
    const entries = queryHeads.map((entry, head) => `"${head}": ${entryText(entry, layer, head)}`);
    return `{${entries.join(", ")}}`;
  });
  await writeText(path, `[${layers.join(",\n")}]\n`);
}

function entryText({ pattern, scores }: QueryHeadEntry, layer: number, head: number): string {
  const entry = (type: string, v: number, s: number) =>
    JSON.stringify([type, v, s, scores.mass ?? scores.score ?? 0]);
  switch (pattern?.kind) {
    case "verticalSlash":
      return entry("vertical_and_slash", pattern.vertical, pattern.slash);
    case "aShape":
      return entry("stream_llm", pattern.sink, pattern.window);
    case "blockSparse":
      if (pattern.block === BLOCKS.block && pattern.topK === BLOCKS.topK) {
        return entry("block_sparse", BLOCKS.topK, 0);
      }
  }
  throw new RangeError(
    `Cannot write layer ${layer}, head ${head} as MInference's format has vertical-slash, A-shape and ` +
      `${BLOCKS.topK} blocks of ${BLOCKS.block}: current value is ${JSON.stringify(pattern)}`,
  );
}

function layerOf(
  layer: Readonly<Record<string, MinferenceEntry>>,
  { heads }: HeadFileModel,
): HeadFileLayer {
  const queryHeads = Array.from({ length: heads }, (_, head): QueryHeadEntry => {
    const entry = layer[head];
    return {
      type: entry?.[0] ?? null,
      scores: entry ? { score: entry[3] } : {},
      pattern: entry ? patternOf(entry) : MISSING,
      candidates: [],
    };
  });
  return { queryHeads, kvHeads: [] };
}

function patternOf([type, v, s]: MinferenceEntry): HeadPattern {
  if (type === "vertical_and_slash") return { kind: "verticalSlash", vertical: v, slash: s };
  return type === "stream_llm" ? { kind: "aShape", sink: v, window: s } : BLOCKS;
}

function checkShape(layers: MinferenceJson, model: HeadFileModel, file: string): void {
  if (layers.length !== model.layers) {
    throw formatError(file, `${model.name} has ${model.layers} layers`, layers.length);
  }
  layers.forEach((layer, l) => {
    const wrong = Object.keys(layer).find((head) => Number(head) >= model.heads);
    if (wrong === undefined) return;
    throw formatError(file, `heads of layer ${l} must be below ${model.heads}`, wrong);
  });
}

function schema(z: Zod): ZodType<MinferenceJson> {
  const budget = z.int().min(0).max(MAX_BUDGET);
  const vertical = z.tuple([z.literal("vertical_and_slash"), budget, budget, z.number()]);
  const blocks = z.tuple([z.literal("block_sparse"), budget, budget, z.number()]);
  const stream = z.tuple([
    z.literal("stream_llm"),
    budget,
    z.int().min(1).max(MAX_BUDGET),
    z.number(),
  ]);
  const head = z.string().regex(/^(0|[1-9]\d{0,5})$/);
  return z.array(z.record(head, z.union([vertical, blocks, stream]))).min(1).max(1024);
}

function baseName(file: string): string {
  return file.split("/").at(-1)!;
}
