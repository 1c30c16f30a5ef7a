import { createHash } from "node:crypto";
import type {
  HeadFile,
  HeadFileModel,
  HeadFileText,
  PatternCandidate,
  QueryHeadEntry,
} from "../attention/head_file.ts";
import type { HeadPattern } from "../attention/head_pattern.ts";
import { planPatterns } from "../attention/pattern_plans.ts";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { HeadTrial, LayerProbe } from "../engine/head_probe.ts";
import type { Model } from "../engine/model.ts";
import { fitPatterns, type FittedFamily } from "./fit_patterns.ts";
import { type LayerFinding, SearchLog } from "./search_log.ts";

/** A text that patterns are tried on. */
export interface CalibrationText {
  /** Its name, for people. */
  readonly name: string;
  /** The text, or its token ids; the first `tokens` of them are used. */
  readonly text: string | Int32Array;
}

/** Progress of a search. */
export interface PatternSearchProgress {
  /** Layers done, of all texts, those of an earlier run among them. */
  readonly done: number;
  /** Layers of all texts. */
  readonly total: number;
  /** What is being done. */
  readonly what: string;
}

/** Options of {@link searchPatterns}. */
export interface PatternSearchOptions {
  /** What patterns are tried on; each needs `tokens` tokens. */
  readonly texts: readonly CalibrationText[];
  /** Tokens of each text. */
  readonly tokens: number;
  /** How the head file calls the model. */
  readonly modelName: string;
  /**
   * Tile area that each candidate may compute, over that of dense attention.
   * @default 0.2
   */
  readonly tileShare?: number;
  /**
   * What the best candidate is chosen by: most attention `mass` kept, or least relative `error` of the output.
   * @default "mass"
   */
  readonly criterion?: "mass" | "error";
  /**
   * Tokens that are planned together: as many as in the prefills that the patterns are for.
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
  readonly onProgress?: (progress: PatternSearchProgress) => void;
  /** Stops the search between layers, or in one. */
  readonly signal?: AbortSignal;
}

/** What a search needs of a model. */
export type SearchedModel = Pick<Model, "config" | "tokenizer" | "session">;

/** Version of what is tried and how it is scored. */
const VERSION = 1;

type Checked = Required<Omit<PatternSearchOptions, "texts" | "signal" | "progressFile">>;

/** A search that goes on. */
interface Search {
  readonly model: SearchedModel;
  readonly options: Checked;
  readonly ids: readonly Int32Array[];
  readonly log: SearchLog;
  readonly signal: AbortSignal | undefined;
}

/**
 * Finds for each head the pattern that keeps most of its attention. A-shape, vertical-slash with few and with many columns and
 * block-sparse are brought to one tile area on each text, run by the kernels, and scored beside dense attention, by mass
 * `exp(lse of the pattern - lse of all keys)` and by output error, both averaged over texts; of equal ones the first wins.
 * Budgets are averaged over texts, too. Layers with a sliding window stay dense.
 *
 * @throws {RangeError} when an option is out of range or a text is too short
 * @throws {ModelFormatError} when `progressFile` is of another search
 */
export async function searchPatterns(
  model: SearchedModel,
  options: PatternSearchOptions,
): Promise<HeadFile> {
  const { texts, signal, progressFile } = options;
  const checked = checkOptions(options);
  const ids = texts.map((text) => idsOf(model, text, checked.tokens));
  const sources = texts.map(({ name }, x) => ({ name, sha256: sha256(ids[x]!) }));
  const log = progressFile === undefined
    ? SearchLog.inMemory()
    : await SearchLog.open(progressFile, keyOf(model, sources, checked));
  const search: Search = { model, options: checked, ids, log, signal };
  try {
    for (let text = 0; text < texts.length; text++) {
      await searchText(search, text, texts[text]!.name);
    }
    return headFileOf(search, sources);
  } finally {
    log.close();
  }
}

function checkOptions(options: PatternSearchOptions): Checked {
  const { texts, tokens, modelName, tileShare = 0.2, criterion = "mass" } = options;
  const { chunkTokens = CHUNK_TOKENS, kv = "bf16", date = null, onProgress = () => {} } = options;
  const check = (name: string, right: boolean, rule: string, value: unknown) => {
    if (right) return;
    throw new RangeError(
      `Cannot search patterns as ${name} must be ${rule}: current value is ${value}`,
    );
  };
  check("texts", texts.length > 0, "at least one", texts.length);
  for (const [name, value] of Object.entries({ tokens, chunkTokens })) {
    check(name, Number.isSafeInteger(value) && value > 0, "a whole number >= 1", value);
  }
  check("tileShare", tileShare > 0 && tileShare <= 1, "> 0 and <= 1", tileShare);
  check("criterion", ["mass", "error"].includes(criterion), "mass or error", criterion);
  return { tokens, modelName, tileShare, criterion, chunkTokens, kv, date, onProgress };
}

function idsOf(
  { tokenizer }: SearchedModel,
  { name, text }: CalibrationText,
  tokens: number,
): Int32Array {
  const ids = typeof text === "string" ? tokenizer.encode(text, { bos: true }) : text;
  if (ids.length >= tokens) return ids.slice(0, tokens);
  throw new RangeError(
    `Cannot search patterns as ${name} must have ${tokens} tokens: current value is ${ids.length}`,
  );
}

function sha256(ids: Int32Array): string {
  const bytes = new DataView(new ArrayBuffer(4 * ids.length));
  ids.forEach((id, x) => bytes.setInt32(4 * x, id, true));
  return createHash("sha256").update(new Uint8Array(bytes.buffer)).digest("hex");
}

function modelOf({ config }: SearchedModel, name: string): HeadFileModel {
  const { layers, heads, kvHeads } = config;
  return { name, layers, heads, kvHeads };
}

/** What makes findings of an earlier run those of this search. */
function keyOf(model: SearchedModel, texts: readonly HeadFileText[], options: Checked) {
  const { modelName, tokens, tileShare, chunkTokens, kv } = options;
  const settings = { tokens, tileShare, chunkTokens, kv };
  return { version: VERSION, model: modelOf(model, modelName), texts, ...settings };
}

async function searchText(search: Search, text: number, name: string): Promise<void> {
  const { model, options, ids, log, signal } = search;
  const { layers } = model.config;
  const missing = Array.from({ length: layers }, (_, layer) => layer)
    .filter((layer) => !log.find(text, layer));
  if (missing.length === 0) return;
  const { kv, chunkTokens } = options;
  const session = model.session({ kv, chunkTokens });
  try {
    const walk = session.probe(ids[text]!, { layers: missing, ...(signal ? { signal } : {}) });
    for await (const probe of walk) {
      await log.append({ text, layer: probe.layer, heads: await tryLayer(probe, search) });
      const done = text * layers + probe.layer + 1;
      options.onProgress({
        done,
        total: ids.length * layers,
        what: `${name}, layer ${probe.layer}`,
      });
    }
  } finally {
    session.close();
  }
}

/** Candidates of each head of a layer. */
async function tryLayer(
  probe: LayerProbe,
  { model, options }: Search,
): Promise<LayerFinding["heads"]> {
  const { heads } = model.config;
  const all = Array.from({ length: heads }, (_, head) => head);
  if (probe.window !== null && probe.window < probe.tokens) return all.map(() => []);
  const families = await fitPatterns(probe, options.tileShare, heads);
  checkBudget(families, options);
  const trials = await tryFamilies(probe, families);
  return all.map((head) =>
    families.map((family, x) => {
      const pattern = family[head]!;
      return pattern && { pattern, scores: { ...trials[x]![head]! } };
    })
  );
}

/** Trials of the families; those that came out the same are tried once. */
async function tryFamilies(
  probe: LayerProbe,
  families: readonly FittedFamily[],
): Promise<(readonly HeadTrial[])[]> {
  const known = new Map<string, readonly HeadTrial[]>();
  const trials: (readonly HeadTrial[])[] = [];
  for (const family of families) {
    const key = JSON.stringify(family);
    const trial = known.get(key) ?? await tryFamily(probe, family);
    known.set(key, trial);
    trials.push(trial);
  }
  return trials;
}

/** Where a family has no pattern for a head, the head sees its own keys only, and what comes out does not count. */
async function tryFamily(probe: LayerProbe, family: FittedFamily): Promise<HeadTrial[]> {
  if (family.every((pattern) => pattern === null)) {
    return family.map(() => ({ mass: 0, error: 0, tileShare: 0 }));
  }
  const none: HeadPattern = { kind: "aShape", sink: 0, window: 1 };
  return await probe.trial((context) => planPatterns(context, (head) => family[head] ?? none));
}

function checkBudget(families: readonly FittedFamily[], { tileShare, tokens }: Checked): void {
  const heads = families[0]!.length;
  for (let head = 0; head < heads; head++) {
    if (families.some((family) => family[head])) continue;
    throw new RangeError(
      `Cannot search patterns as tileShare must leave room for two tiles in each row of tiles of ${tokens} ` +
        `tokens: current value is ${tileShare}`,
    );
  }
}

function headFileOf(
  { model, options, log, ids }: Search,
  texts: readonly HeadFileText[],
): HeadFile {
  const { modelName, tokens, tileShare, criterion, chunkTokens, kv, date } = options;
  const { layers, heads } = model.config;
  return {
    model: modelOf(model, modelName),
    obtained: [{
      ...{ by: "pattern search", version: VERSION, date, criterion, tokens, texts },
      settings: { tileShare, chunkTokens, kv },
    }],
    layers: Array.from({ length: layers }, (_, layer) => {
      const findings = ids.map((_, text) => log.find(text, layer)!.heads);
      return {
        queryHeads: Array.from(
          { length: heads },
          (_, head) => entryOf(findings.map((found) => found[head]!), criterion),
        ),
        kvHeads: [],
      };
    }),
  };
}

/** The head's candidates averaged over texts, and the best of them. */
function entryOf(
  texts: readonly (readonly (PatternCandidate | null)[])[],
  criterion: Checked["criterion"],
): QueryHeadEntry {
  const candidates = texts[0]!.flatMap((_, family) => {
    const found = texts.map((text) => text[family]!);
    return found.every((candidate) => candidate) ? [averaged(found)] : [];
  });
  if (candidates.length === 0) {
    return { type: "dense", scores: {}, pattern: { kind: "dense" }, candidates };
  }
  const worth = ({ scores }: PatternCandidate) =>
    criterion === "mass" ? scores.mass! : -scores.error!;
  const best = candidates.reduce((best, next) => worth(next) > worth(best) ? next : best);
  return { type: best.pattern.kind, scores: best.scores, pattern: best.pattern, candidates };
}

function averaged(found: readonly PatternCandidate[]): PatternCandidate {
  const patterns = found.map(({ pattern }) => pattern);
  const budgets = meansOf(patterns.map(({ kind: _, ...budgets }) => budgets));
  const whole = Object.entries(budgets).map(([name, value]) => [name, Math.round(value)]);
  return {
    pattern: { kind: patterns[0]!.kind, ...Object.fromEntries(whole) },
    scores: meansOf(found.map(({ scores }) => scores)),
  };
}

/** The mean of each number, by name. */
function meansOf(values: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const means = Object.keys(values[0]!).map((name) => {
    const sum = values.reduce((sum, value) => sum + value[name]!, 0);
    return [name, sum / values.length] as const;
  });
  return Object.fromEntries(means);
}
