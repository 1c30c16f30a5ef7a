/** Arrays with a part for each KV head (or graph) that grow at the end of each part. */
import type { IndexArray } from "./kv_index.ts";

/** Room for `needed` elements that seldom has to grow: a quarter more, in whole `step`s. */
export function roomFor(needed: number, step = 1024): number {
  return Math.ceil(needed * 1.25 / step) * step;
}

/**
 * `array` `[parts, room, width]` as `[parts, newRoom, width]`; what is new holds zeros.
 *
 * @param array is left as it is
 */
export function regrown<A extends IndexArray>(
  array: A,
  parts: number,
  newRoom: number,
  width = 1,
): A {
  const size = array.length / parts;
  const grown = new (array.constructor as new (length: number) => A)(parts * newRoom * width);
  const kept = Math.min(size, newRoom * width);
  for (let p = 0; p < parts; p++) {
    grown.set(array.subarray(p * size, p * size + kept), p * newRoom * width);
  }
  return grown;
}
