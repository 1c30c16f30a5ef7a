/**
 * int8 pages: integers of -127 to 127 times a power of two. A value (a token of a KV head) has one scale; a key channel has
 * one in each page, that of its largest element so far. Where a token needs a larger one, the channel's earlier keys
 * are rounded again, so tokens go in one after the other, however they were cut into calls.
 */
import { type KvHead, PAGE_TOKENS, pageOf, slotOf } from "./pages.ts";

const LARGEST = 127;
const MIN_SCALE = 2 ** -126;
const MAX_SCALE = 2 ** 121;

/** The least power of two, within limits, of which `magnitude` is at most 127; 0 for 0. */
export function scaleOf(magnitude: number): number {
  if (magnitude === 0) return 0;
  let scale = MIN_SCALE;
  while (LARGEST * scale < magnitude && scale < MAX_SCALE) scale *= 2;
  return scale;
}

/** The multiple of `scale`, at most 127 of them, that is nearest to `value`; of two the even one. Integers have no -0. */
export function roundTo(value: number, scale: number): number {
  if (scale === 0) return 0;
  return Math.min(LARGEST, Math.max(-LARGEST, roundToEven(value / scale))) * scale + 0;
}

/**
 * Writes the rows of one KV head as tokens `start ..` of int8 pages. Arguments are those of `append`; numbers must be finite.
 */
export function appendInt8(
  kv: KvHead,
  head: number,
  start: number,
  k: Float32Array,
  v: Float32Array,
  positions: Float32Array,
): void {
  const width = k.length / positions.length;
  for (let t = 0; t < positions.length; t++) {
    const first = t * width + head * kv.dim;
    writeKey(kv, start + t, k.subarray(first, first + kv.dim));
    writeValue(kv, start + t, v.subarray(first, first + kv.dim));
    pageOf(kv, start + t).positions[(start + t) % PAGE_TOKENS] = positions[t]!;
  }
}

function writeKey(kv: KvHead, token: number, key: Float32Array): void {
  const { k, keyScales } = pageOf(kv, token);
  const slot = slotOf(kv, token);
  if (slot === 0) keyScales.fill(0);
  for (const [i, element] of key.entries()) {
    const scale = Math.max(keyScales[i]!, scaleOf(Math.abs(element)));
    if (scale > keyScales[i]!) {
      for (let at = i; at < slot; at += kv.dim) k[at] = roundTo(k[at]!, scale);
    }
    keyScales[i] = scale;
    k[slot + i] = roundTo(element, scale);
  }
}

function writeValue(kv: KvHead, token: number, value: Float32Array): void {
  const scale = scaleOf(value.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0));
  pageOf(kv, token).v.set(value.map((x) => roundTo(x, scale)), slotOf(kv, token));
}

function roundToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
