/** What indexes find of a key set and how many keys they score for it, at several efforts of search. */
import { overlap } from "../engine/index_probe.ts";
import {
  type FoundKeySet,
  KeyIndex,
  type KeyIndexData,
  type KeyIndexOptions,
} from "../engine/key_index.ts";
import { type KeySet, logSumExp } from "./key_set.ts";

/** An index with its options. */
export type TriedIndex = Exclude<NonNullable<KeyIndexOptions["index"]>, string>;

/** Options of {@link tryKeySet}. */
export interface KeySetTrialOptions {
  /** Indexes to compare, by names. */
  readonly indexes: Readonly<Record<string, TriedIndex>>;
  /**
   * Widths of search that a graph is tried with.
   * @default [100, 200, 400]
   */
  readonly widths?: readonly number[];
  /**
   * Shares of the keys that clusters, pages and blocks are tried with.
   * @default [0.02, 0.04, 0.08, 0.16]
   */
  readonly shares?: readonly number[];
  /**
   * Keys that are asked for.
   * @default 100
   */
  readonly topK?: number;
  /** Called before each index is built, with its name. */
  readonly onIndex?: (name: string) => void;
}

/** How an index did for one query head of a key set, in the mean over the asking rows. */
export interface KeySetTrial {
  /** Name of the index. */
  readonly parameter: string;
  /** Its kind. */
  readonly index: string;
  /** The option of searches that was varied and its value: `width=200`; empty where there is none. */
  readonly effort: string;
  /** Query head of those that share the keys. */
  readonly head: number;
  /** Keys of the index. */
  readonly keys: number;
  /** Share of the exact best keys that were found. */
  readonly recall: number;
  /** Attention on found keys and on those outside the index, over the same with the exact best keys: the mean. */
  readonly massShare: number;
  /** The same: its 5th percentile over rows. */
  readonly massShare5: number;
  /** Attention on found keys alone over that on the exact best keys: the mean. */
  readonly foundShare: number;
  /** The same: its 5th percentile over rows. */
  readonly foundShare5: number;
  /** Keys scored to select; `flat4` reads all others too, in 4 bits. */
  readonly scanned: number;
  /** Milliseconds of a search for all heads: the median over rows. */
  readonly searchMs: number;
  /** Milliseconds of building. */
  readonly buildMs: number;
}

/** What an index found. */
export interface Answers {
  /** `[row][head]` */
  readonly found: readonly (readonly FoundKeySet[])[];
  /** Milliseconds of a search for all heads: the median over rows. */
  readonly searchMs: number;
}

/** Builds each index and asks it by all rows, beside exact search. */
export async function* tryKeySet(
  set: KeySet,
  options: KeySetTrialOptions,
): AsyncGenerator<KeySetTrial, void> {
  const { indexes, topK = 100, onIndex = () => {} } = options;
  const best = await exactAnswers(set, topK);
  for (const [parameter, index] of Object.entries(indexes)) {
    onIndex(parameter);
    using built = await KeyIndex.build(dataOf(set), { index, kv: "bf16" });
    const { buildMs } = built.stats();
    for await (const { effort, answers } of answersOf(built, set, options)) {
      for (let head = 0; head < set.heads; head++) {
        const name = { parameter, index: index.kind, effort };
        yield {
          ...name,
          head,
          keys: built.length,
          ...headTrial(set, head, answers, best),
          buildMs,
        };
      }
    }
  }
}

/** What exact search finds. */
export async function exactAnswers(set: KeySet, topK: number): Promise<Answers> {
  using exact = await KeyIndex.build(dataOf(set), { index: "exact", kv: "bf16" });
  return await ask(exact, set, topK);
}

/** A key set as {@link KeyIndex} takes it. */
export function dataOf({ keys, samples, heads, dim }: KeySet): KeyIndexData {
  return { keys, queries: samples, heads, kvHeads: 1, dim };
}

/** Asks an index by all rows of a set. */
export async function ask(index: KeyIndex, set: KeySet, topK: number): Promise<Answers> {
  const width = set.heads * set.dim;
  const found: FoundKeySet[][] = [];
  const times: number[] = [];
  for (let first = 0; first < set.asks.length; first += width) {
    const began = performance.now();
    found.push(await index.search(set.asks.slice(first, first + width), { topK }));
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return { found, searchMs: times[times.length >> 1]! };
}

/** Answers at each effort. What is saved of an index is the same for all efforts, so that it is built once. */
async function* answersOf(
  built: KeyIndex,
  set: KeySet,
  { topK = 100, widths = [100, 200, 400], shares = [0.02, 0.04, 0.08, 0.16] }: KeySetTrialOptions,
): AsyncGenerator<{ effort: string; answers: Answers }, void> {
  const saved = built.save();
  const { options } = saved.index;
  const name = EFFORTS[options.kind];
  if (name === undefined) {
    yield { effort: "", answers: await ask(built, set, topK) };
    return;
  }
  for (const value of name === "width" ? widths : shares) {
    const index = { ...saved.index, options: { ...options, [name]: value } };
    using loaded = await KeyIndex.load({ ...saved, index });
    yield { effort: `${name}=${value}`, answers: await ask(loaded, set, topK) };
  }
}

/** Options that only searches read. */
const EFFORTS: Readonly<Record<string, "width" | "share">> = {
  ...{ graph: "width", clusters: "share", pages: "share", blocks: "share" },
};

/** What of a trial is measured. */
export type TrialMeasures = Omit<
  KeySetTrial,
  "parameter" | "index" | "effort" | "head" | "keys" | "buildMs"
>;

/** How found keys compare with the best ones, for one head in the mean over rows. */
export function headTrial(
  set: KeySet,
  head: number,
  { found, searchMs }: Answers,
  best: Answers,
): TrialMeasures {
  const rows = found.map((heads, row) => {
    const outside = set.staticLse[row * set.heads + head]!;
    return compared(heads[head]!, best.found[row]![head]!, outside, set.scale);
  });
  const values = (name: keyof Compared) => rows.map((row) => row[name]);
  return {
    recall: mean(values("recall")),
    massShare: mean(values("massShare")),
    massShare5: fifthPercentile(values("massShare")),
    foundShare: mean(values("foundShare")),
    foundShare5: fifthPercentile(values("foundShare")),
    scanned: mean(values("scanned")),
    searchMs,
  };
}

type Compared = Record<"recall" | "massShare" | "foundShare" | "scanned", number>;

/** One row of a head. `outside`: log-sum-exp of the keys that are not the index's. */
function compared(
  found: FoundKeySet,
  best: FoundKeySet,
  outside: number,
  scale: number,
): Compared {
  const [mine, most] = [found, best].map(({ scores }) =>
    logSumExp(Array.from(scores, (score) => scale * score))
  ) as [number, number];
  const share = (part: number, whole: number) => Math.min(1, Math.exp(part - whole));
  return {
    recall: overlap(found.indices, best.indices),
    massShare: share(logSumExp([mine, outside]), logSumExp([most, outside])),
    foundShare: share(mine, most),
    scanned: found.scanned,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function fifthPercentile(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(0.05 * values.length)]!;
}
