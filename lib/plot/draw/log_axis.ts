/** Axes of logarithms, and axes whose ticks are chosen. */
import type { ChartOptions, Plot } from "./chart.ts";
import { shortNumber } from "./number_text.ts";

/** What an axis says and where. */
export interface AxisText {
  /** What is on it. */
  readonly label: string;
  /** Where its label stands. */
  readonly labelAnchor: "center" | "top";
}

/** An axis of logarithms, with a grid and numbers at some powers of ten and their multiples. */
export function logAxis(
  text: AxisText,
  domain: readonly [number, number],
): NonNullable<ChartOptions["x"]> {
  return {
    type: "log",
    domain: [...domain],
    ...text,
    labelArrow: "none",
    tickFormat: shortNumber,
    ticks: 6,
    tickSize: 3,
    grid: true,
  };
}

/** A domain with room about values above 0, as a factor. */
export function extentOf(values: readonly number[], room = 1.25): [number, number] {
  return [Math.min(...values) / room, Math.max(...values) * room];
}

/** Ticks that are chosen, each with its text: scales of logarithms would leave some texts out. */
export interface ChosenTicks extends AxisText {
  /** Values that are told. */
  readonly ticks: readonly number[];
  /** Text of a value. */
  readonly text: (value: number) => string;
}

/** Marks of an axis with chosen ticks, and its grid; the scale's own axis must be `null`. */
export function tickMarks(plot: Plot, side: "x" | "y", { ticks, text, ...rest }: ChosenTicks) {
  const looks = { ...rest, labelArrow: "none", tickSize: 3, text } as const;
  return side === "x"
    ? [plot.gridX(ticks), plot.axisX(ticks, looks as Parameters<Plot["axisX"]>[0])]
    : [plot.gridY(ticks), plot.axisY(ticks, looks as Parameters<Plot["axisY"]>[0])];
}

/** 1, 2 and 5 times the powers of ten of a range; only the powers where it is wide. */
export function decadeTicks([low, high]: readonly [number, number]): number[] {
  const steps = high / low > 3000 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let decade = Math.floor(Math.log10(low)); 10 ** decade <= high; decade++) {
    ticks.push(...steps.map((step) => Number((step * 10 ** decade).toPrecision(1))));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}
