/** How the keys that indexes score grow with those that there are: on recorded heads, and on key sets like them of any size. */
import { CancelledError } from "../engine/errors.ts";
import { type KeySet, recordedKeySet } from "./key_set.ts";
import { type KeySetTrial, type KeySetTrialOptions, tryKeySet } from "./key_set_trial.ts";
import { type CoveredModel, noneGiven } from "./probed_texts.ts";
import { type RecordedHead, recordHeads, type RecordHeadsOptions } from "./recorded_heads.ts";
import { SyntheticKeys, type SyntheticKeysOptions } from "./synthetic_keys.ts";

/** Options of {@link indexScaling}. */
export interface IndexScalingOptions
  extends
    SyntheticKeysOptions,
    Omit<KeySetTrialOptions, "onIndex">,
    Pick<RecordHeadsOptions, "frequencies" | "chunkTokens" | "signal"> {
  /** The text that is recorded. */
  readonly text: { readonly name: string; readonly ids: Int32Array };
  /** Layers and KV heads. */
  readonly heads: readonly (readonly [layer: number, kvHead: number])[];
  /** Numbers of keys to draw. */
  readonly counts: readonly number[];
  /**
   * Seed of the draws.
   * @default 0
   */
  readonly seed?: number;
  /** Called before each index is built. */
  readonly onStep?: (what: string) => void;
}

/** A trial and what it was done on. */
export interface IndexScaleRow extends KeySetTrial {
  /** Name of the text that was recorded. */
  readonly text: string;
  /** Layer number. */
  readonly layer: number;
  /** KV head. */
  readonly kvHead: number;
  /** Where the keys are from. */
  readonly source: KeySet["source"];
}

/**
 * Tries indexes on recorded heads and on synthetic key sets like them: the rows of a head and a key set at a time.
 *
 * @throws {RangeError} when an option is out of range
 * @throws {CancelledError} when `signal` is aborted, after the search at hand
 */
export async function* indexScaling(
  model: CoveredModel,
  options: IndexScalingOptions,
): AsyncGenerator<IndexScaleRow[], void> {
  if (Object.keys(options.indexes).length === 0) throw noneGiven("indexes");
  for await (const [head, set] of keySets(model, options)) {
    yield await rowsOfSet(set, head, options);
  }
}

/**
 * The recorded set of each head, then those that are drawn like it.
 *
 * @throws {RangeError} when the model does not have a head
 */
export async function* keySets(
  model: CoveredModel,
  options: Omit<IndexScalingOptions, keyof KeySetTrialOptions>,
): AsyncGenerator<[RecordedHead, KeySet], void> {
  const { text, heads, counts, seed } = options;
  if (heads.length === 0) throw noneGiven("heads");
  const { windows, kvHeads } = model.config;
  const wrong = heads.find(([layer, kvHead]) => windows[layer] !== null || kvHead >= kvHeads);
  if (wrong) throw noSuchHead(...wrong);
  const layers = [...new Set(heads.map(([layer]) => layer))];
  const recorded = await recordHeads(model, text.ids, { ...options, layers });
  for (const [layer, kvHead] of heads) {
    const head = recorded.find((one) => one.layer === layer && one.kvHead === kvHead)!;
    yield [head, recordedKeySet(head, options)];
    if (counts.length === 0) continue;
    const synthetic = await SyntheticKeys.fit(head, options);
    for (const count of counts) yield [head, synthetic.draw(count, seed)];
  }
}

async function rowsOfSet(
  set: KeySet,
  { layer, kvHead }: RecordedHead,
  options: IndexScalingOptions,
): Promise<IndexScaleRow[]> {
  const { text, signal, onStep = () => {} } = options;
  const name = `${set.keys.length / set.dim} ${set.source} keys of head ${layer}:${kvHead}`;
  const place = { text: text.name, layer, kvHead, source: set.source };
  const rows: IndexScaleRow[] = [];
  const onIndex = (parameter: string) => onStep(`${name}, ${parameter}`);
  for await (const trial of tryKeySet(set, { ...options, onIndex })) {
    if (signal?.aborted) throw new CancelledError("The trials were cancelled");
    rows.push({ ...place, ...trial });
  }
  return rows;
}

function noSuchHead(layer: number, kvHead: number): RangeError {
  return new RangeError(
    `Cannot try indexes as heads must be of a layer without a window of its own: current value is ${layer}:${kvHead}`,
  );
}

/** Measures of what was found. */
type Measure = "recall" | "massShare" | "massShare5" | "foundShare" | "foundShare5";

/** What a trial must reach. */
export type Wanted = Partial<Record<Measure, number>>;

/** What {@link leastScanned} reads of a trial. */
export type EffortPoint = Pick<KeySetTrial, Measure | "scanned">;

/**
 * The fewest scanned keys at which all that is wanted is reached, between two efforts by a straight line; `null` where the largest
 * effort does not reach it.
 */
export function leastScanned(points: readonly EffortPoint[], wanted: Wanted): number | null {
  const rising = points.toSorted((a, b) => a.scanned - b.scanned);
  const needs = Object.entries(wanted).map(([name, least]) =>
    crossing(rising, (point) => point[name as keyof Wanted], least)
  );
  return needs.reduce<number | null>(
    (most, need) => most === null || need === null ? null : Math.max(most, need),
    0,
  );
}

function crossing(
  rising: readonly EffortPoint[],
  valueOf: (point: EffortPoint) => number,
  least: number,
): number | null {
  const at = rising.findIndex((point) => valueOf(point) >= least);
  if (at < 0) return null;
  const [before, after] = [rising[at - 1], rising[at]!];
  if (!before) return after.scanned;
  const part = (least - valueOf(before)) / (valueOf(after) - valueOf(before));
  return before.scanned + part * (after.scanned - before.scanned);
}

const NUMBERS = [
  ...["recall", "massShare", "massShare5", "foundShare", "foundShare5"] as const,
  ...["scanned", "searchMs", "buildMs"] as const,
];

/** Trials of all heads at the same efforts in the mean. */
export function meanTrials(trials: readonly KeySetTrial[]): KeySetTrial[] {
  const groups = Map.groupBy(trials, (trial) => {
    return `${trial.parameter} ${trial.effort} ${trial.keys}`;
  });
  return [...groups.values()].map((group) => {
    const mean = (name: keyof KeySetTrial) =>
      group.reduce((sum, trial) => sum + Number(trial[name]), 0) / group.length;
    const means = NUMBERS.map((name) => [name, mean(name)]);
    return { ...group[0]!, ...Object.fromEntries(means) };
  });
}
