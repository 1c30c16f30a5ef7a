/** A layer's keys, values and queries, random and the same for a seed. */
import type { Backend, KvView, Tensor } from "../../ffi/backend.ts";
import { PagedCache } from "../../lib/cache/paged_cache.ts";
import { buildIndex } from "../../lib/retrieval/make_index.ts";
import type { IndexOptions } from "../../lib/retrieval/index_options.ts";
import type { IndexQuery, IndexSource, KvIndex } from "../../lib/retrieval/kv_index.ts";
import { QuerySamples } from "../../lib/retrieval/query_samples.ts";
import { openOr } from "../engine/tiny_model.ts";
import { Random } from "../random.ts";

/** Query heads. */
export const HEADS = 4;
/** Heads of keys and values. */
export const KV_HEADS = 2;
const DIM = 16;

/** A layer of some tokens; queries do not lie where keys do. */
export interface Layer {
  /** Computes. */
  readonly backend: Backend;
  /** All keys and values. */
  readonly kv: KvView;
  /** `[tokens, HEADS, DIM]` */
  readonly q: Tensor;
  /** What an index over keys `start .. end-1` is built of. */
  source(start: number, end: number): IndexSource;
  /** An index over them. */
  build(options: IndexOptions, start: number, end: number): Promise<KvIndex>;
  /** A question by row `row`. */
  query(row: number, topK: number, end?: number): IndexQuery;
}

/** Runs a test on each backend with a layer of `tokens` tokens. */
export function onLayers(
  name: string,
  tokens: number,
  body: (layer: Layer) => Promise<void>,
  change: (value: number, token: number) => number = (value) => value,
): void {
  for (const kind of ["reference", "cpu"] as const) {
    Deno.test(`${name} (${kind})`, async (t) => {
      const backend = await openOr(kind);
      if (!backend) return void console.log(`skipped: no ${kind} backend here, ${t.name}`);
      await withLayer(backend, tokens, change, body);
    });
  }
}

async function withLayer(
  backend: Backend,
  tokens: number,
  change: (value: number, token: number) => number,
  body: (layer: Layer) => Promise<void>,
): Promise<void> {
  const random = new Random(tokens);
  const rows = (width: number, shift: number) =>
    Float32Array.from(
      { length: tokens * width },
      (_, x) => change(random.normal() + (x % 3 === 0 ? shift : 0), Math.floor(x / width)),
    );
  const shape = { layers: 1, kvHeads: KV_HEADS, dim: DIM, dtype: "f32" } as const;
  const cache = new PagedCache(backend, shape);
  const width = KV_HEADS * DIM;
  const k = backend.tensor([tokens, KV_HEADS, DIM], "f32", rows(width, 1));
  const v = backend.tensor([tokens, KV_HEADS, DIM], "f32", rows(width, 0));
  const q = backend.tensor([tokens, HEADS, DIM], "f32", rows(HEADS * DIM, -1));
  try {
    cache.reserve(tokens);
    await cache.append(0, k, v, Float32Array.from({ length: tokens }, (_, x) => x));
    cache.commit(tokens);
    await body(layerOf(backend, cache.view(0), q));
  } finally {
    for (const tensor of [k, v, q]) tensor.close();
    cache.close();
  }
}

function layerOf(backend: Backend, kv: KvView, q: Tensor): Layer {
  const heads = Array.from({ length: HEADS }, (_, head) => head);
  const source = (start: number, end: number) => {
    const queries = new QuerySamples(1024);
    queries.add(q, 0);
    return { kv: { ...kv, length: end }, start, end, heads: HEADS, queries };
  };
  return {
    ...{ backend, kv, q, source },
    build: (options, start, end) => buildIndex(backend, options, source(start, end)),
    query: (row, topK, end = Infinity) => ({
      ...{ kv, q, row, heads, end, topK, scale: 0.25, wantsMass: true },
    }),
  };
}
