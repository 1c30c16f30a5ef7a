/** Axes of tokens: where the ticks are and what they say. */
import type { BinAxis } from "./bins.ts";
import { grouped } from "./number_text.ts";

/** A tick of an axis. */
export interface Tick {
  /** Where, as a share of the axis. */
  readonly at: number;
  /** Token it stands at. */
  readonly token: number;
  /** What it says. */
  readonly text: string;
}

/** Ticks at round tokens of an axis that starts at token `first`, about `count` of them. */
export function tokenTicks(tokens: number, count: number, first = 0): Tick[] {
  const step = roundStep(tokens / Math.max(1, count));
  const ticks: Tick[] = [];
  for (let token = Math.ceil(first / step) * step; token <= first + tokens; token += step) {
    ticks.push({ at: (token - first) / tokens, token, text: grouped(token) });
  }
  return ticks;
}

/** Positions `first .. last`, one number where they are the same. */
export function rangeText(first: number, last: number): string {
  return first === last ? grouped(first) : `${grouped(first)}\u2013${grouped(last)}`;
}

/** What a bin of an axis holds, for a caption: "bin = 64 tokens"; empty where bins are tokens. */
export function binText({ tokens, bins }: BinAxis): string {
  if (bins === tokens) return "";
  const size = tokens / bins;
  const around = Number.isInteger(size) ? grouped(size) : String(Number(size.toPrecision(3)));
  return `bin = ${around} tokens`;
}

/** The smallest of 1, 2, 5, 10, 20 .. that is not below. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  const factor = [1, 2, 5, 10].find((f) => f * power >= least)!;
  return Math.max(1, factor * power);
}
