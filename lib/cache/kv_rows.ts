/**
 * Keys and values of whole tokens as bytes, to be stored elsewhere: `[tokens, 2, kvHeads, dim]`, little-endian, keys before
 * values, in the cache's element type, or in bf16 for int8: as its scales are powers of two, bf16 holds every number of
 * an int8 page. Nothing is rounded on the way out or back.
 */
import type { Backend, DType, KvDType, Tensor } from "../../ffi/backend.ts";
import { DTYPE_BYTES } from "../../ffi/elements.ts";
import type { CacheShape, PagedCache } from "./paged_cache.ts";

/** Some tokens of a layer. */
export interface KvRowBytes {
  /** `[tokens, 2, kvHeads, dim]` */
  readonly kv: Uint8Array<ArrayBuffer>;
  /** `[tokens]` */
  readonly positions: Float32Array<ArrayBuffer>;
}

/** Element type in which tokens of a cache of `dtype` are stored. */
export function storedDType(dtype: KvDType): DType {
  return dtype === "int8" ? "bf16" : dtype;
}

/** Bytes that one token takes in a layer, position excluded. */
export function kvRowBytes({ kvHeads, dim, dtype }: CacheShape): number {
  return 2 * kvHeads * dim * DTYPE_BYTES[storedDType(dtype)];
}

/** Copies tokens `start .. start+count-1` of a layer out of the cache. */
export function readKvRows(
  backend: Backend,
  cache: PagedCache,
  layer: number,
  start: number,
  count: number,
): KvRowBytes {
  const { kvHeads, dim, dtype } = cache.shape;
  const { table } = cache.view(layer);
  const rows = new Float32Array(count * 2 * kvHeads * dim);
  const positions = new Float32Array(count);
  for (let head = 0; head < kvHeads; head++) {
    const read = backend.readKv(table, head, start, count);
    positions.set(read.positions);
    [read.k, read.v].forEach((heads, part) => {
      for (let t = 0; t < count; t++) {
        // rows[t][part][head][..] = heads[t][..]
        const row = heads.subarray(t * dim, (t + 1) * dim);
        rows.set(row, ((2 * t + part) * kvHeads + head) * dim);
      }
    });
  }
  return {
    kv: new Uint8Array(dtype === "f32" ? rows.buffer : upperHalves(rows).buffer),
    positions,
  };
}

/** Appends tokens to caches of one shape. */
export class KvRowWriter {
  readonly #cache: PagedCache;
  readonly #k: Tensor;
  readonly #v: Tensor;

  /** For up to `rows` tokens at once. */
  constructor(backend: Backend, cache: PagedCache, rows: number) {
    const { kvHeads, dim } = cache.shape;
    this.#cache = cache;
    this.#k = backend.tensor([rows, kvHeads, dim]);
    this.#v = backend.tensor([rows, kvHeads, dim]);
  }

  /** Writes tokens of a layer after the committed ones; the cache must have reserved them. */
  async append(layer: number, { kv, positions }: KvRowBytes): Promise<void> {
    const count = positions.length;
    const [k, v] = [this.#k.rows(0, count), this.#v.rows(0, count)];
    const rows = this.#cache.shape.dtype === "f32"
      ? new Float32Array(kv.buffer)
      : fromUpperHalves(new Uint16Array(kv.buffer));
    k.write(everySecond(rows, 0, count));
    v.write(everySecond(rows, 1, count));
    await this.#cache.append(layer, k, v, positions);
  }

  /** Frees its memory. */
  close(): void {
    this.#k.close();
    this.#v.close();
  }
}

// The f32 of a bf16 has nothing in its lower half.
function upperHalves(values: Float32Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  const words = new Uint16Array(values.buffer);
  const halves = new Uint16Array(values.length);
  for (let x = 0; x < halves.length; x++) halves[x] = words[2 * x + 1]!;
  return halves;
}

function fromUpperHalves(halves: Uint16Array): Float32Array {
  const words = new Uint32Array(halves.length);
  for (let x = 0; x < words.length; x++) words[x] = halves[x]! << 16;
  return new Float32Array(words.buffer);
}

/** `rows[:, part]` of `[count, 2, width]`. */
function everySecond(rows: Float32Array, part: number, count: number): Float32Array {
  const width = rows.length / count / 2;
  const picked = new Float32Array(count * width);
  for (let t = 0; t < count; t++) {
    const first = (2 * t + part) * width;
    picked.set(rows.subarray(first, first + width), t * width);
  }
  return picked;
}
