/** Head files: what is known of the heads of a model, and how it was found out. One JSON, with a version. */
import type { ZodType } from "zod";
import type { HeadPattern } from "./head_pattern.ts";
import { formatError, loadZod, parseWith, readJson, writeText, type Zod } from "./json_file.ts";

/** Version of the format that is written; no other is read. */
export const HEAD_FILE_VERSION = 1;

const FORMAT = "longlens-heads";
const MAX_BYTES = 256 * 2 ** 20;
const MAX_LAYERS = 1024;
const MAX_HEADS = 1024;
const MAX_ITEMS = 256;
const MAX_BUDGET = 2 ** 31 - 1;
const MAX_TEXT = 4096;

/** The model whose heads they are. */
export interface HeadFileModel {
  /** Its name, for people. */
  readonly name: string;
  /** Layers. */
  readonly layers: number;
  /** Query heads of a layer. */
  readonly heads: number;
  /** KV heads of a layer. */
  readonly kvHeads: number;
}

/** A text that something was found out with. */
export interface HeadFileText {
  /** Its name, for people. */
  readonly name: string;
  /** SHA-256 of its token ids as little-endian 32-bit numbers, as many as were used; `null` where that is not known. */
  readonly sha256: string | null;
}

/** How something about the heads was found out. */
export interface HeadSource {
  /** What found it out: `pattern search`, `MInference file`. */
  readonly by: string;
  /** Version of that. */
  readonly version: number;
  /** When, ISO 8601, as the caller says. */
  readonly date: string | null;
  /** What patterns or types were chosen by. */
  readonly criterion: string | null;
  /** Tokens of each text. */
  readonly tokens: number | null;
  /** The texts. */
  readonly texts: readonly HeadFileText[];
  /** Its other settings. */
  readonly settings: Readonly<Record<string, string | number | boolean | null>>;
}

/** Numbers by name; `mass` and `tileShare` are shares, `error` is relative. */
export type HeadScores = Readonly<Record<string, number>>;

/** A pattern that was tried. */
export interface PatternCandidate {
  /** The pattern. */
  readonly pattern: HeadPattern;
  /** How it did. */
  readonly scores: HeadScores;
}

/** What is known of a KV head. */
export interface KvHeadEntry {
  /** What kind of head it is; `null` where nothing says. */
  readonly type: string | null;
  /** How it did. */
  readonly scores: HeadScores;
}

/**
 * What a query head does in a step of retrieval: asks the index, has all of it estimated (a diffuse head), sees every key, or
 * first and recent ones only.
 */
export type RetrievalMode = "index" | "tail" | "dense" | "streaming";

/** What is known of a query head. */
export interface QueryHeadEntry extends KvHeadEntry {
  /** What it does in a step of retrieval; absent where nothing says. */
  readonly retrieval?: RetrievalMode | null;
  /** What it attends to in a prefill; `null` where nothing says. */
  readonly pattern: HeadPattern | null;
  /** The patterns that it was chosen from, if they are known. */
  readonly candidates: readonly PatternCandidate[];
}

/** What is known of a layer's heads. */
export interface HeadFileLayer {
  /** One per query head. */
  readonly queryHeads: readonly QueryHeadEntry[];
  /** One per KV head, or none. */
  readonly kvHeads: readonly KvHeadEntry[];
}

/** What is known of the heads of a model. */
export interface HeadFile {
  /** The model. */
  readonly model: HeadFileModel;
  /** How it was found out; at least one. */
  readonly obtained: readonly HeadSource[];
  /** One per layer. */
  readonly layers: readonly HeadFileLayer[];
}

/**
 * Reads a head file.
 *
 * @throws {ModelFormatError} when it is damaged, or of another version
 */
export async function readHeadFile(path: string): Promise<HeadFile> {
  return await parseHeadFile(await readJson(path, MAX_BYTES), path);
}

/**
 * Writes a head file. An old one gives way all at once.
 *
 * @throws {ModelFormatError} when it would not be read again; an old file stays
 */
export async function writeHeadFile(path: string, heads: HeadFile): Promise<void> {
  const { model, obtained, layers } = heads;
  const json = { format: FORMAT, version: HEAD_FILE_VERSION, model, obtained, layers };
  await parseHeadFile(json, path);
  await writeText(path, headFileText(json));
}

/** Checks the JSON of a head file; `file` is how errors call it. */
export async function parseHeadFile(json: unknown, file: string): Promise<HeadFile> {
  const z = await loadZod();
  const { version } = parseWith(
    z.looseObject({ format: z.literal(FORMAT), version: z.int() }),
    json,
    file,
  );
  if (version !== HEAD_FILE_VERSION) {
    throw formatError(file, `its version must be ${HEAD_FILE_VERSION}`, version);
  }
  const { model, obtained, layers } = parseWith(schema(z), json, file);
  checkShape({ model, obtained, layers }, file);
  return { model, obtained, layers };
}

/** Schema of a candidate: also of what a search writes while it runs. */
export function candidateSchema(z: Zod): ZodType<PatternCandidate> {
  return z.strictObject({ pattern: patternSchema(z), scores: scoresSchema(z) });
}

/** One line for each head, so that people can read and compare files. */
function headFileText({ layers, ...rest }: Record<string, unknown> & Pick<HeadFile, "layers">) {
  const head = JSON.stringify(rest, null, 1).slice(0, -2);
  const list = (entries: readonly unknown[]) =>
    entries.length === 0
      ? "[]"
      : `[\n    ${entries.map((entry) => JSON.stringify(entry)).join(",\n    ")}\n   ]`;
  const text = layers.map(({ queryHeads, kvHeads }) =>
    `  {\n   "queryHeads": ${list(queryHeads)},\n   "kvHeads": ${list(kvHeads)}\n  }`
  );
  return `${head},\n "layers": [\n${text.join(",\n")}\n ]\n}\n`;
}

function checkShape({ model, layers }: HeadFile, file: string): void {
  if (layers.length !== model.layers) {
    throw formatError(file, `layers must be ${model.layers}`, layers.length);
  }
  layers.forEach(({ queryHeads, kvHeads }, layer) => {
    if (queryHeads.length !== model.heads) {
      const field = `layers.${layer}.queryHeads`;
      throw formatError(file, `${field} must be ${model.heads}`, queryHeads.length);
    }
    if (kvHeads.length !== 0 && kvHeads.length !== model.kvHeads) {
      const field = `layers.${layer}.kvHeads`;
      throw formatError(file, `${field} must be ${model.kvHeads} or none`, kvHeads.length);
    }
  });
}

function schema(z: Zod) {
  const kvHead = { type: z.string().max(MAX_TEXT).nullable(), scores: scoresSchema(z) };
  const queryHead = z.strictObject({
    ...kvHead,
    retrieval: z.enum(["index", "tail", "dense", "streaming"]).nullish() as unknown as ZodType<
      RetrievalMode | null
    >,
    pattern: patternSchema(z).nullable(),
    candidates: z.array(candidateSchema(z)).max(MAX_ITEMS),
  });
  return z.strictObject({
    format: z.literal(FORMAT),
    version: z.literal(HEAD_FILE_VERSION),
    model: modelSchema(z),
    obtained: z.array(sourceSchema(z)).min(1).max(MAX_ITEMS),
    layers: z.array(z.strictObject({
      queryHeads: z.array(queryHead).max(MAX_HEADS),
      kvHeads: z.array(z.strictObject(kvHead)).max(MAX_HEADS),
    })).max(MAX_LAYERS),
  });
}

function modelSchema(z: Zod): ZodType<HeadFileModel> {
  return z.strictObject({
    name: z.string().max(MAX_TEXT),
    layers: z.int().min(1).max(MAX_LAYERS),
    heads: z.int().min(1).max(MAX_HEADS),
    kvHeads: z.int().min(1).max(MAX_HEADS),
  });
}

function sourceSchema(z: Zod): ZodType<HeadSource> {
  const text = z.string().max(MAX_TEXT);
  const setting = z.union([text, z.number(), z.boolean(), z.null()]);
  return z.strictObject({
    by: text,
    version: z.int().min(0),
    date: text.nullable(),
    criterion: text.nullable(),
    tokens: z.int().min(1).nullable(),
    texts: z.array(z.strictObject({
      name: text,
      sha256: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
    })).max(MAX_ITEMS),
    settings: z.record(text, setting),
  });
}

function scoresSchema(z: Zod): ZodType<HeadScores> {
  return z.record(z.string().max(MAX_TEXT), z.number())
    .refine((scores) => Object.keys(scores).length <= MAX_ITEMS, "Must be few");
}

function patternSchema(z: Zod): ZodType<HeadPattern> {
  const from = (least: number) => z.int().min(least).max(MAX_BUDGET);
  return z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("dense") }),
    z.strictObject({ kind: z.literal("aShape"), sink: from(0), window: from(1) }),
    z.strictObject({ kind: z.literal("verticalSlash"), vertical: from(0), slash: from(0) }),
    z.strictObject({ kind: z.literal("blockSparse"), block: from(1), topK: from(1) }),
  ]);
}
