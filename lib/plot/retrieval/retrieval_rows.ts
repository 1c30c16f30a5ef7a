/** What heads retrieved while tokens were generated, gathered for drawing. */
import { type BinAxis, binAxis } from "../draw/bins.ts";
import { inRows, mostKeys, type StepRow, stepRow } from "./step_rows.ts";

/** What one head retrieved and attended in one step. */
export interface RetrievalRow {
  /** Which step: any numbers that rise. */
  readonly step: number;
  /** Layer of the head. */
  readonly layer: number;
  /** Query head. */
  readonly head: number;
  /** Positions of the keys that an index returned. */
  readonly indices: ArrayLike<number>;
  /** Query-key scores computed to select. */
  readonly scanned: number;
  /** Keys in the softmax. */
  readonly attended: number;
  /** Keys there were: the denominator of both. */
  readonly keys: number;
  /**
   * Text of the generated token.
   * @default the step's number
   */
  readonly token?: string;
  /**
   * Other keys that were attended, such as sinks and a window: first position and the one after the last.
   * @default not shown
   */
  readonly ranges?: readonly (readonly [start: number, end: number])[];
  /**
   * Positions of the keys with the truly largest weights, which the index should have found.
   * @default not known: no recall is shown
   */
  readonly exact?: ArrayLike<number>;
}

/** Steps that are drawn as one row, and how well the index did in them. */
export interface DrawnRow extends StepRow {
  /** Truly largest keys that were not attended, in each bin, over all heads. */
  readonly missed: Float64Array;
  /** Share of the keys that was scanned. */
  readonly scanned: number;
  /** Share of the keys that was attended. */
  readonly attended: number;
  /** Share of the truly largest keys that were attended; `null` where they are not known. */
  readonly recall: number | null;
}

/** All that was gathered. */
export interface GatheredTrace {
  /** Positions in the text. */
  readonly axis: BinAxis;
  /** Rows from the first step to the last. */
  readonly rows: readonly DrawnRow[];
  /** Steps there are. */
  readonly steps: number;
  /** Layer and head of each of the heads. */
  readonly heads: readonly (readonly [layer: number, head: number])[];
  /** How many truly largest keys a head has, where all have as many. */
  readonly k: number | null;
  /** The rows as they came. */
  readonly data: readonly RetrievalRow[];
}

/** Bins of positions: the same at every width, so that counts in bins can be compared. */
const MOST_BINS = 182;

/**
 * Gathers rows into bins of positions.
 *
 * @throws {RangeError} when there are none, one occurs twice, or a number is out of range
 */
export function gatherTrace(data: readonly RetrievalRow[]): GatheredTrace {
  if (data.length === 0) {
    throw new RangeError("Cannot draw retrieval as there must be >= 1 rows: current value is 0");
  }
  data.forEach(checkRow);
  checkOnce(data);
  const axis = binAxis(mostKeys(data), MOST_BINS);
  const steps = [...Map.groupBy(data, ({ step }) => step)].sort(([a], [b]) => a - b);
  const rows = inRows(steps).map((some) => gatherRow(some.flatMap(([, own]) => own), axis));
  return { axis, rows, steps: steps.length, heads: headsOf(data), k: commonK(data), data };
}

function gatherRow(own: readonly RetrievalRow[], axis: BinAxis): DrawnRow {
  const missed = new Float64Array(axis.bins);
  let [found, wanted] = [0, 0];
  for (const row of own) {
    if (!row.exact) continue;
    const lost = lostKeys(row, row.exact);
    wanted += row.exact.length;
    found += row.exact.length - lost.length;
    for (const key of lost) missed[axis.binOf(key)]!++;
  }
  const sum = (name: "scanned" | "attended" | "keys") =>
    own.reduce((total, row) => total + row[name], 0);
  return {
    ...stepRow(own, axis),
    missed,
    scanned: sum("scanned") / sum("keys"),
    attended: sum("attended") / sum("keys"),
    recall: wanted === 0 ? null : found / wanted,
  };
}

/** Truly largest keys that a head neither retrieved nor attended otherwise. */
function lostKeys({ indices, ranges = [] }: RetrievalRow, exact: ArrayLike<number>): number[] {
  const retrieved = new Set(positions(indices));
  return positions(exact).filter((key) =>
    !retrieved.has(key) && !ranges.some(([start, end]) => key >= start && key < end)
  );
}

function headsOf(data: readonly RetrievalRow[]): [number, number][] {
  const heads = new Map(
    data.map(({ layer, head }): [string, [number, number]] => [`${layer} ${head}`, [layer, head]]),
  );
  return [...heads.values()];
}

function commonK(data: readonly RetrievalRow[]): number | null {
  const sizes = new Set(data.flatMap(({ exact }) => exact ? [exact.length] : []));
  return sizes.size === 1 ? [...sizes][0]! : null;
}

function positions(values: ArrayLike<number>): number[] {
  return Array.from(values);
}

function checkOnce(data: readonly RetrievalRow[]): void {
  const seen = new Set<string>();
  for (const { step, layer, head } of data) {
    const name = `step ${step}, layer ${layer}, head ${head}`;
    if (seen.has(name)) {
      throw new RangeError(
        `Cannot draw retrieval as each row must occur once: ${name} occurs again`,
      );
    }
    seen.add(name);
  }
}

function checkRow(row: RetrievalRow): void {
  const { step, keys, indices, exact = [], ranges = [] } = row;
  if (!Number.isFinite(step)) throw wrong("step", "a finite number", step);
  if (!Number.isSafeInteger(keys) || keys < 1) throw wrong("keys", "a whole number >= 1", keys);
  for (const name of ["scanned", "attended"] as const) {
    if (!(Number.isFinite(row[name]) && row[name] >= 0)) {
      throw wrong(name, "a finite number >= 0", row[name]);
    }
  }
  for (const key of [...positions(indices), ...positions(exact)]) {
    if (!(Number.isSafeInteger(key) && key >= 0 && key < keys)) {
      throw wrong("a position", `a whole number 0 .. ${keys - 1}`, key);
    }
  }
  for (const end of ranges.flat()) {
    if (!(end >= 0 && end <= keys)) throw wrong("the end of a range", `0 .. ${keys}`, end);
  }
}

function wrong(name: string, wanted: string, value: number): RangeError {
  return new RangeError(
    `Cannot draw retrieval as ${name} must be ${wanted}: current value is ${value}`,
  );
}
