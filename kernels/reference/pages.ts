/** Pages of keys and values: 256 tokens of one layer and KV head. */

/** Tokens of a page. */
export const PAGE_TOKENS = 256;

/** Keys, values and positions of some tokens of one KV head. */
export interface KvRows {
  /** Keys after rotation, `[T, dim]`. */
  readonly k: Float32Array;
  /** Values, `[T, dim]`. */
  readonly v: Float32Array;
  /** Positions, `[T]`. */
  readonly positions: Float32Array;
}

/** Those of the {@link PAGE_TOKENS} tokens of a page. */
export interface KvPage extends KvRows {
  /** Scale of each key channel, `[dim]`; only int8 pages use it. */
  readonly keyScales: Float32Array;
}

/** Pages of one KV head by number; token t lies in page `t / 256`, slot `t % 256`. */
export interface KvHead {
  /** Head dimension. */
  readonly dim: number;
  /** A page may be missing where no call reads its tokens. */
  readonly pages: readonly (KvPage | undefined)[];
}

/** The page of token `token`. */
export function pageOf(kv: KvHead, token: number): KvPage {
  return kv.pages[Math.floor(token / PAGE_TOKENS)]!;
}

/** First element of token `token` in the keys and in the values of its page. */
export function slotOf(kv: KvHead, token: number): number {
  return (token % PAGE_TOKENS) * kv.dim;
}

/**
 * Writes the rows of one KV head as tokens `start ..`; those of int8 pages are written by `appendInt8`.
 *
 * @param k `[T, kvHeads, dim]`
 * @param v `[T, kvHeads, dim]`
 * @param positions `[T]`
 * @param convert rounds an element to the dtype of the pages
 */
export function append(
  kv: KvHead,
  head: number,
  start: number,
  k: Float32Array,
  v: Float32Array,
  positions: Float32Array,
  convert: (row: Float32Array) => Float32Array,
): void {
  const width = k.length / positions.length;
  for (let t = 0; t < positions.length; t++) {
    const page = pageOf(kv, start + t);
    const first = t * width + head * kv.dim;
    page.k.set(convert(k.slice(first, first + kv.dim)), slotOf(kv, start + t));
    page.v.set(convert(v.slice(first, first + kv.dim)), slotOf(kv, start + t));
    page.positions[(start + t) % PAGE_TOKENS] = positions[t]!;
  }
}

/** Tokens `start .. start+count-1`: k and v `[count, dim]`, positions `[count]`. */
export function readKv(kv: KvHead, start: number, count: number): KvRows {
  const k = new Float32Array(count * kv.dim);
  const v = new Float32Array(count * kv.dim);
  const positions = new Float32Array(count);
  for (let t = 0; t < count; t++) {
    const page = pageOf(kv, start + t);
    const slot = slotOf(kv, start + t);
    k.set(page.k.subarray(slot, slot + kv.dim), t * kv.dim);
    v.set(page.v.subarray(slot, slot + kv.dim), t * kv.dim);
    positions[t] = page.positions[(start + t) % PAGE_TOKENS]!;
  }
  return { k, v, positions };
}
