/** Measures something of the heads of each layer on texts; a search that was stopped goes on where it was. */
import { createHash } from "node:crypto";
import type {
  HeadFile,
  HeadFileModel,
  HeadFileText,
  HeadSource,
  QueryHeadEntry,
} from "../attention/head_file.ts";
import type { LayerProbe } from "../engine/head_probe.ts";
import type { Model } from "../engine/model.ts";
import { type SearchKey, type SearchKind, SearchLog } from "./search_log.ts";

/** A text that heads are looked at on. */
export interface CalibrationText {
  /** Its name, for people. */
  readonly name: string;
  /** The text, or its token ids. */
  readonly text: string | Int32Array;
}

/** Progress of a search. */
export interface HeadSearchProgress {
  /** Layers done, of all texts, those of an earlier run among them. */
  readonly done: number;
  /** Layers of all texts. */
  readonly total: number;
  /** What is being done. */
  readonly what: string;
}

/** What searches have in common. */
export interface HeadSearchOptions {
  /** Tokens of each text. */
  readonly tokens: number;
  /** How the head file calls the model. */
  readonly modelName: string;
  /**
   * Tokens that are planned together.
   * @default 2048
   */
  readonly chunkTokens?: number;
  /**
   * Element type of keys and values.
   * @default "bf16"
   */
  readonly kv?: "f32" | "bf16" | "int8";
  /**
   * What the head file says of when it was made, ISO 8601.
   * @default null
   */
  readonly date?: string | null;
  /**
   * File that findings are written to, layer by layer: the same search goes on from there.
   * @default none; findings stay in memory
   */
  readonly progressFile?: string;
  /** Called after each layer. */
  readonly onProgress?: (progress: HeadSearchProgress) => void;
  /** Stops the search between layers, or in one. */
  readonly signal?: AbortSignal;
}

/** What a search needs of a model. */
export type SearchedModel = Pick<Model, "config" | "tokenizer" | "session">;

/** A text as it is read. */
interface ReadText {
  /** Its name. */
  readonly name: string;
  /** Its ids. */
  readonly ids: Int32Array;
}

/** What is measured of heads, and what a head file makes of it. */
export interface LayerSearch<Head> {
  /** Kind of the search. */
  readonly kind: SearchKind<Head>;
  /** Version of what is measured. */
  readonly version: number;
  /** What cannot be done when a text is too short. */
  readonly action: string;
  /** Those of a text's ids that are read. */
  readonly cut: (ids: Int32Array) => Int32Array;
  /** What makes findings of an earlier run those of this search, beside model and texts. */
  readonly settings: SearchKey;
  /** Measures the heads of a layer. */
  readonly measure: (probe: LayerProbe) => Promise<readonly Head[]>;
  /** What the head file says of how it was obtained, beside model and texts. */
  readonly obtained: Pick<HeadSource, "criterion" | "settings">;
  /** What it says of a head of a layer by what was measured on each text. */
  readonly entry: (texts: readonly Head[], layer: number) => QueryHeadEntry;
}

/** What was measured, `[text][layer][head]`. */
type Findings<Head> = readonly (readonly (readonly Head[])[])[];

type Options = HeadSearchOptions & Required<Pick<HeadSearchOptions, "chunkTokens" | "kv">> & {
  readonly texts: readonly CalibrationText[];
};

/** A search that goes on. */
interface Running<Head> {
  readonly model: SearchedModel;
  readonly texts: readonly ReadText[];
  readonly search: LayerSearch<Head>;
  readonly options: Options;
  readonly log: SearchLog<Head>;
}

/**
 * Measures the heads of each layer on each text, and makes a head file of what was found.
 *
 * @throws {RangeError} when a text is too short
 * @throws {ModelFormatError} when `progressFile` is of another search
 */
export async function searchHeads<Head>(
  model: SearchedModel,
  search: LayerSearch<Head>,
  options: Options,
): Promise<HeadFile> {
  const texts = readTexts(model, search, options);
  const known = { model: modelOf(model, options.modelName), texts: textsOf(texts) };
  const findings = await searchLayers(model, texts, known, search, options);
  const { kind, version, obtained, entry } = search;
  const { tokens, date = null } = options;
  const source = { by: kind.name, version, date, tokens, texts: known.texts, ...obtained };
  return {
    model: known.model,
    obtained: [source],
    layers: layersOf(model).map((layer) => ({
      queryHeads: findings[0]![layer]!.map((_, head) =>
        entry(findings.map((text) => text[layer]![head]!), layer)
      ),
      kvHeads: [],
    })),
  };
}

async function searchLayers<Head>(
  model: SearchedModel,
  texts: readonly ReadText[],
  known: SearchKey,
  search: LayerSearch<Head>,
  options: Options,
): Promise<Findings<Head>> {
  const { kind, version, settings } = search;
  const log = options.progressFile === undefined
    ? SearchLog.inMemory<Head>()
    : await SearchLog.open(options.progressFile, kind, { version, ...known, ...settings });
  try {
    const running: Running<Head> = { model, texts, search, options, log };
    for (const text of texts.keys()) await searchText(running, text);
    return texts.map((_, text) => layersOf(model).map((layer) => log.find(text, layer)!.heads));
  } finally {
    log.close();
  }
}

async function searchText<Head>(
  { model, texts, search, options, log }: Running<Head>,
  text: number,
): Promise<void> {
  const missing = layersOf(model).filter((layer) => !log.find(text, layer));
  if (missing.length === 0) return;
  const { name, ids } = texts[text]!;
  const { kv, chunkTokens, signal, onProgress } = options;
  const { layers } = model.config;
  const session = model.session({ kv, chunkTokens });
  try {
    const walk = session.probe(ids, { layers: missing, ...(signal ? { signal } : {}) });
    for await (const probe of walk) {
      const { layer } = probe;
      await log.append({ text, layer, heads: await search.measure(probe) });
      const done = text * layers + layer + 1;
      onProgress?.({ done, total: texts.length * layers, what: `${name}, layer ${layer}` });
    }
  } finally {
    session.close();
  }
}

function layersOf({ config }: SearchedModel): number[] {
  return Array.from({ length: config.layers }, (_, layer) => layer);
}

/** What a head file says of the model. */
function modelOf({ config }: SearchedModel, name: string): HeadFileModel {
  const { layers, heads, kvHeads } = config;
  return { name, layers, heads, kvHeads };
}

/** What a head file says of the texts. */
function textsOf(texts: readonly ReadText[]): HeadFileText[] {
  return texts.map(({ name, ids }) => ({ name, sha256: sha256(ids) }));
}

function sha256(ids: Int32Array): string {
  const bytes = new DataView(new ArrayBuffer(4 * ids.length));
  ids.forEach((id, x) => bytes.setInt32(4 * x, id, true));
  return createHash("sha256").update(new Uint8Array(bytes.buffer)).digest("hex");
}

function readTexts<Head>(
  { tokenizer }: SearchedModel,
  { action, cut }: LayerSearch<Head>,
  { texts, tokens }: Options,
): ReadText[] {
  return texts.map(({ name, text }) => {
    const ids = typeof text === "string" ? tokenizer.encode(text, { bos: true }) : text;
    if (ids.length >= tokens) return { name, ids: cut(ids) };
    throw new RangeError(
      `Cannot ${action} as ${name} must have ${tokens} tokens: current value is ${ids.length}`,
    );
  });
}

/** Refuses what is not `right` of an option. */
export type OptionCheck = (name: string, right: boolean, rule: string, value: unknown) => void;

/** Checks options of what `action` says. */
export function optionCheck(action: string): OptionCheck {
  return (name, right, rule, value) => {
    if (right) return;
    throw new RangeError(`Cannot ${action} as ${name} must be ${rule}: current value is ${value}`);
  };
}

/** Checks that options are whole numbers from 1 up. */
export function checkCounts(check: OptionCheck, counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    check(name, Number.isSafeInteger(value) && value > 0, "a whole number >= 1", value);
  }
}
