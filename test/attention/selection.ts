/** Reads `fixtures/selection.json`, which `make_selection.py` writes. */
import type { Estimates, PrefillContext } from "../../lib/attention/method.ts";
import { prefillContext } from "./contexts.ts";

/** Queries and keys of a chunk. */
export interface Place {
  /** Tokens in the cache, the chunk included. */
  readonly length: number;
  /** First query. */
  readonly qStart: number;
  /** Tokens of a block. */
  readonly block: number;
}

/** A context of two or more heads at a place. */
export function contextAt(
  { length, qStart }: Place,
  heads: readonly number[],
  estimates: Partial<Estimates>,
): PrefillContext {
  return prefillContext({ heads, qStart, qLen: length - qStart }, estimates);
}

/** Numbers of a list, each a number of parts of `units`. */
export function units(list: string, units: number): Float32Array {
  return Float32Array.from(list.split(" "), (text) => Number(text) / units);
}

/** Places of a list of ranges: "0-2 5" is 0, 1, 2, 5. */
export function places(list: string): number[] {
  return list.split(" ").filter((range) => range !== "").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, x) => first + x);
  });
}

/** Arrays one after the other. */
export function joined(arrays: readonly Float32Array[]): Float32Array {
  return Float32Array.from(arrays.flatMap((array) => [...array]));
}
