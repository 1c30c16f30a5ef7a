/** What became of a head's keys while tokens were generated, gathered for drawing. */
import { type BinAxis, binAxis } from "../draw/bins.ts";
import {
  inRows,
  joinedRanges,
  type KeyRange,
  mostKeys,
  type StepRow,
  stepRow,
} from "../retrieval/step_rows.ts";

/** What was done with the keys of one head in one step. */
export interface KvTimelineStep {
  /** Which step: any numbers that rise. */
  readonly step: number;
  /** Keys there were. */
  readonly keys: number;
  /** Positions of the keys that were retrieved. */
  readonly indices: ArrayLike<number>;
  /**
   * Keys that are attended at every step, such as sinks and a window: first position and the one after the last.
   * @default none
   */
  readonly ranges?: readonly KeyRange[];
  /**
   * Keys that were appended to the index: first position and the one after the last.
   * @default none
   */
  readonly appended?: readonly KeyRange[];
  /**
   * Text of the generated token.
   * @default the step's number
   */
  readonly token?: string;
}

/** Steps that are drawn as one row, and what was appended in them. */
export interface TimelineRow extends StepRow {
  /** What was appended to the index, apart and rising. */
  readonly appended: readonly KeyRange[];
}

/** All that was gathered. */
export interface Timeline {
  /** Positions in the text. */
  readonly axis: BinAxis;
  /** Rows from the first step to the last. */
  readonly rows: readonly TimelineRow[];
  /** The steps, the first one first. */
  readonly steps: readonly KvTimelineStep[];
}

const MOST_BINS = 200;

/**
 * Gathers steps into bins of positions.
 *
 * @throws {RangeError} when there are none, one occurs twice, or a number is out of range
 */
export function gatherTimeline(data: readonly KvTimelineStep[]): Timeline {
  if (data.length === 0) throw wrong("steps must be >= 1", 0);
  data.forEach(checkStep);
  const steps = data.toSorted((a, b) => a.step - b.step);
  const again = steps.find(({ step }, i) => step === steps[i - 1]?.step);
  if (again) {
    throw new RangeError(
      `Cannot draw a timeline as each step must occur once: step ${again.step} occurs again`,
    );
  }
  const axis = binAxis(mostKeys(steps), MOST_BINS);
  return { axis, rows: inRows(steps).map((own) => gatherRow(own, axis)), steps };
}

/** Keys of ranges that may overlap. */
export function keysIn(ranges: readonly KeyRange[]): number {
  return joinedRanges(ranges).reduce((sum, [start, end]) => sum + end - start, 0);
}

function gatherRow(own: readonly KvTimelineStep[], axis: BinAxis): TimelineRow {
  const appended = joinedRanges(own.flatMap(({ appended = [] }) => appended));
  return { ...stepRow(own, axis), appended };
}

function checkStep({ step, keys, indices, ranges = [], appended = [] }: KvTimelineStep): void {
  if (!Number.isFinite(step)) throw wrong("step must be a finite number", step);
  if (!(Number.isSafeInteger(keys) && keys >= 1)) {
    throw wrong("keys must be a whole number >= 1", keys);
  }
  const isPlace = (key: number) => Number.isSafeInteger(key) && key >= 0 && key <= keys;
  const wild = Array.from(indices).find((key) => !(isPlace(key) && key < keys));
  if (wild !== undefined) throw wrong(`a position must be a whole number 0 .. ${keys - 1}`, wild);
  const end = [...ranges, ...appended].flat().find((end) => !isPlace(end));
  if (end !== undefined) throw wrong(`the end of a range must be a whole number 0 .. ${keys}`, end);
}

function wrong(rule: string, value: number): RangeError {
  return new RangeError(`Cannot draw a timeline as ${rule}: current value is ${value}`);
}
