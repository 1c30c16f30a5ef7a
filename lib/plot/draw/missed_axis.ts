/** Axes of shares by the square root of what is missing to 1, so that shares near 1 differ. */
import { percentText } from "./number_text.ts";

const TICKS = [0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1];
const LEAST = 0.1;
/** Room beyond the largest, as a factor. */
const ROOM = 1.04;

/** What such an axis needs. */
export interface MissedAxis {
  /** Scale of what is missing, with 1 at its end. */
  readonly scale: {
    readonly type: "pow";
    readonly exponent: number;
    readonly domain: [number, number];
    readonly axis: null;
  };
  /** Missing shares that are told. */
  readonly ticks: readonly number[];
  /** Text of a missing share: the share that is there. */
  readonly text: (missed: number) => string;
}

/** An axis that shows all of some missing shares. */
export function missedAxis(missed: readonly number[]): MissedAxis {
  const most = ROOM * Math.max(LEAST, ...missed);
  return {
    scale: { type: "pow", exponent: 0.5, domain: [most, 0], axis: null },
    ticks: TICKS.filter((share) => share <= most),
    text: (missed) => percentText(1 - missed),
  };
}
