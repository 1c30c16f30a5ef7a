/** Caches filled with random keys and values, and queries. */
import { type KvView, PAGE_TOKENS, type PartialAttention, type Tensor } from "../../ffi/backend.ts";
import { PagedCache } from "../cache/paged_cache.ts";
import { KV_BYTES } from "../../ffi/elements.ts";
import type { Bench, CaseShape, OpenCase } from "./bench_case.ts";
import type { Repetition } from "./bench_case.ts";

/** Values that are written at once, at least those of a page. */
const CHUNK_VALUES = 1 << 22;
/** Standard deviation of keys, so that scores are those of usual attention: some large, most small. */
const KEY_SCALE = 1.5;

/** Tensors of an attention call. */
export interface AttentionTensors {
  /** `[rows, heads, dim]` */
  readonly q: Tensor;
  /** 1/sqrt(dim) */
  readonly scale: number;
  /** All keys and values. */
  readonly kv: KvView;
  /** Where results go. */
  readonly out: PartialAttention;
  /** The case of these tensors; closing it frees them. */
  opened(run: Repetition, dense?: Repetition): OpenCase;
}

/** Bytes of keys and values, and of the scales of int8: one for each value, and for each key channel of a page. */
export function kvBytes({ tokens, kvHeads, dim, dtype }: CaseShape): number {
  const scales = dtype === "int8" ? tokens + dim * Math.ceil(tokens / PAGE_TOKENS) : 0;
  return kvHeads * (2 * tokens * dim * KV_BYTES[dtype] + scales);
}

/** Bytes of the pages of keys and values, positions included. */
export function pageBytes(shape: CaseShape): number {
  const tokens = PAGE_TOKENS * Math.ceil(shape.tokens / PAGE_TOKENS);
  return kvBytes({ ...shape, tokens }) + tokens * shape.kvHeads * KV_BYTES.f32;
}

/** Bytes of queries and outputs of `rows` rows. */
export function rowBytes({ heads, dim }: CaseShape, rows: number): number {
  return rows * heads * (2 * dim + 1) * KV_BYTES.f32;
}

/** Random queries of `rows` rows, a cache of random keys and values, and room for results. */
export async function attentionTensors(
  bench: Bench,
  shape: CaseShape,
  rows: number,
): Promise<AttentionTensors> {
  const { backend, data } = bench;
  const { tokens, heads, dim } = shape;
  const cache = await randomCache(bench, shape);
  const q = backend.tensor([rows, heads, dim], "f32", data.rows(rows * heads, dim));
  const out = { out: backend.tensor([rows, heads, dim]), lse: backend.tensor([rows, heads]) };
  const close = () => {
    for (const tensor of [q, out.out, out.lse, cache]) tensor.close();
  };
  return {
    q,
    scale: 1 / Math.sqrt(dim),
    kv: cache.view(0, tokens),
    out,
    opened: (run, dense) => ({ run, dense, close }),
  };
}

async function randomCache({ backend, data }: Bench, shape: CaseShape): Promise<PagedCache> {
  const { tokens, kvHeads, dim } = shape;
  const cache = new PagedCache(backend, { ...shape, layers: 1 });
  cache.reserve(tokens);
  const chunk = PAGE_TOKENS * Math.ceil(CHUNK_VALUES / (PAGE_TOKENS * kvHeads * dim));
  for (let start = 0; start < tokens; start += chunk) {
    const count = Math.min(chunk, tokens - start);
    const tensor = (scale: number) =>
      backend.tensor([count, kvHeads, dim], "f32", data.rows(count * kvHeads, dim, scale));
    const [k, v] = [tensor(KEY_SCALE), tensor(1)];
    await cache.append(0, k, v, Float32Array.from({ length: count }, (_, i) => start + i));
    cache.commit(count);
    k.close();
    v.close();
  }
  return cache;
}
