import type { ZodType } from "zod";
import type { HeadFile, QueryHeadEntry, RetrievalMode } from "../attention/head_file.ts";
import type { Zod } from "../attention/json_file.ts";
import { RETRIEVAL_SEARCH } from "../attention/retrieval_source.ts";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { LayerProbe } from "../engine/head_probe.ts";
import type { CheaperMode, ModeTrial, ModeTrialOptions } from "../engine/mode_probe.ts";
import {
  type CalibrationText,
  checkCounts,
  type HeadSearchOptions,
  optionCheck,
  type SearchedModel,
  searchHeads,
} from "./layer_search.ts";
import type { SearchKind } from "./search_log.ts";

/** Options of {@link searchRetrieval}. */
export interface RetrievalSearchOptions extends HeadSearchOptions {
  /**
   * What modes are tried on: the last `tokens` tokens of each, as its last rows ask. Some should end in questions about what is far
   * before them: a head that answers these may be quiet elsewhere.
   */
  readonly texts: readonly CalibrationText[];
  /**
   * Most that the output of a head may be off by, over that of dense attention: on every text, in the mean over rows.
   * @default 0.1
   */
  readonly error?: number;
  /**
   * The same for the worst row that counts.
   * @default 0.2
   */
  readonly worst?: number;
  /**
   * Which row that is, in percent of the rows by their errors: 95 leaves out a twentieth, 100 none.
   * @default 95
   */
  readonly percentile?: number;
  /**
   * Rows of each text that ask: the last ones.
   * @default 256
   */
  readonly rows?: number;
  /**
   * The index that heads may ask, with the tail estimated by clusters.
   * @default { kind: "exact" }
   */
  readonly index?: NonNullable<ModeTrialOptions["index"]>;
  /**
   * Keys that it is asked for.
   * @default 100
   */
  readonly topK?: number;
  /**
   * Tokens at the start of the text that every head sees.
   * @default 128
   */
  readonly sink?: number;
  /**
   * Most recent tokens that every head sees.
   * @default 512
   */
  readonly window?: number;
}

/** Version of what is tried and how it is scored. */
const VERSION = 1;

const ACTION = "search modes of retrieval";

/** What leaves most out first. */
const MODES: readonly CheaperMode[] = ["streaming", "tail", "index"];

/** How far a mode is off: in the mean over rows, and at a percentile. */
interface ModeError {
  readonly mean: number;
  readonly worst: number;
}

/** What was measured of a head. */
type ModeFinding =
  & Readonly<Record<CheaperMode, ModeError>>
  & Pick<ModeTrial, "scanned" | "clusters">;

/** `null` where the layer has a sliding window of its own. */
type Finding = ModeFinding | null;

const KIND: SearchKind<Finding> = { name: RETRIEVAL_SEARCH, head: (z) => schema(z).nullable() };

type Checked = Required<
  Omit<
    RetrievalSearchOptions,
    "texts" | "modelName" | "date" | "progressFile" | "onProgress" | "signal"
  >
>;

/**
 * Finds for each query head the mode of retrieval that leaves most out and whose output stays near that of dense attention: first
 * and recent keys, these with all others estimated by clusters, with those an index finds as well, or all keys. Rows at the
 * end of texts ask; what the modes are off by is measured, and what a text is off by most counts. Layers with a sliding window see
 * what it shows.
 *
 * @throws {RangeError} when an option is out of range or a text is too short
 * @throws {ModelFormatError} when `progressFile` is of another search
 */
export async function searchRetrieval(
  model: SearchedModel,
  options: RetrievalSearchOptions,
): Promise<HeadFile> {
  const checked = checkOptions(options);
  const { tokens, error, worst, index, ...how } = checked;
  return await searchHeads<Finding>(model, {
    ...{ kind: KIND, version: VERSION, action: ACTION },
    cut: (ids) => lastOf(ids, tokens, model.tokenizer.bosId),
    settings: { tokens, index, ...how },
    measure: (probe) => measured(probe, model.config.heads, checked),
    obtained: {
      criterion: "error",
      settings: { error, worst, ...how, index: JSON.stringify(index) },
    },
    entry: (found, layer) => entryOf(found, checked, model.config.windows[layer]!),
  }, { ...options, chunkTokens: checked.chunkTokens, kv: checked.kv });
}

function checkOptions(options: RetrievalSearchOptions): Checked {
  const { texts, tokens, error = 0.1, worst = 0.2, percentile = 95 } = options;
  const { index = { kind: "exact" }, topK = 100, sink = 128, window = 512, rows = 256 } = options;
  const { chunkTokens = CHUNK_TOKENS, kv = "bf16" } = options;
  const check = optionCheck(ACTION);
  check("texts", texts.length > 0, "at least one", texts.length);
  checkCounts(check, { tokens, chunkTokens, rows, topK, window });
  check("sink", Number.isSafeInteger(sink) && sink >= 0, "a whole number >= 0", sink);
  check("error", error >= 0, ">= 0", error);
  check("worst", worst >= 0, ">= 0", worst);
  check("percentile", percentile > 0 && percentile <= 100, "> 0 and <= 100", percentile);
  const least = sink + window + rows;
  check("tokens", tokens >= least, `>= sink + window + rows, ${least}`, tokens);
  const what = { tokens, error, worst, percentile, rows, index, topK, sink, window };
  return { ...what, chunkTokens, kv };
}

/** The last ids, the mark of a text's beginning before them where it has one. */
function lastOf(ids: Int32Array, tokens: number, bos: number | null): Int32Array {
  const last = ids.slice(ids.length - tokens);
  if (bos !== null && ids[0] === bos) last[0] = bos;
  return last;
}

async function measured(
  probe: LayerProbe,
  heads: number,
  { percentile, ...how }: Checked,
): Promise<readonly Finding[]> {
  const all = Array.from({ length: heads }, () => null);
  if (probe.window !== null && probe.window < probe.tokens) return all;
  const trials = await probe.tryModes(how);
  return trials.map(({ errors, scanned, clusters }) => {
    const of = (mode: CheaperMode) => errorOf(errors[mode], percentile);
    return { streaming: of("streaming"), tail: of("tail"), index: of("index"), scanned, clusters };
  });
}

function errorOf(rows: Float64Array, percentile: number): ModeError {
  const sorted = rows.toSorted();
  const place = Math.ceil(percentile / 100 * rows.length) - 1;
  return { mean: rows.reduce((sum, row) => sum + row, 0) / rows.length, worst: sorted[place]! };
}

/** The first mode that is near enough on every text. */
function entryOf(
  texts: readonly Finding[],
  options: Checked,
  shown: number | null,
): QueryHeadEntry {
  const found = texts.filter((text) => text !== null);
  if (found.length === 0) return entry(shown! <= options.window ? "streaming" : "dense", {});
  const most = (value: (text: ModeFinding) => number) => Math.max(...found.map(value));
  const near = (mode: CheaperMode) =>
    most((text) => text[mode].mean) <= options.error &&
    most((text) => text[mode].worst) <= options.worst;
  const mode = MODES.find(near) ?? "dense";
  const errors = MODES.flatMap((mode) => [
    [`${mode}Error`, most((text) => text[mode].mean)],
    [`${mode}Worst`, most((text) => text[mode].worst)],
  ]);
  return entry(mode, {
    ...Object.fromEntries(errors),
    ...costsOf(mode, found, options),
  });
}

/** What a step of the mode attends to and scores to select, over all tokens. */
function costsOf(
  mode: RetrievalMode,
  found: readonly ModeFinding[],
  { tokens, sink, window, topK }: Checked,
) {
  const [{ clusters }] = found as [ModeFinding];
  const scanned = found.reduce((sum, text) => sum + text.scanned, 0) / found.length;
  const attended = { streaming: 0, tail: 0, index: topK, dense: tokens - sink - window }[mode];
  const scored = { streaming: 0, tail: clusters, index: scanned + clusters, dense: 0 }[mode];
  return { attendedShare: (sink + window + attended) / tokens, scannedShare: scored / tokens };
}

function entry(mode: RetrievalMode, scores: QueryHeadEntry["scores"]): QueryHeadEntry {
  return { type: null, scores, retrieval: mode, pattern: null, candidates: [] };
}

function schema(z: Zod): ZodType<ModeFinding> {
  const error = z.strictObject({ mean: z.number(), worst: z.number() });
  const modes = { streaming: error, tail: error, index: error };
  return z.strictObject({ ...modes, scanned: z.number(), clusters: z.number() });
}
