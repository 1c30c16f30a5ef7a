/** Heads made up so that it is known what each needs, as a layer of a text that is probed. */
import type { Backend } from "../../ffi/backend.ts";
import { PagedCache } from "../../lib/cache/paged_cache.ts";
import { LayerProbe } from "../../lib/engine/head_probe.ts";
import type { ModelConfig } from "../../lib/model/types.ts";
import { Random } from "../random.ts";

/** Sizes of the layer, and how its heads are to be tried. */
export const MADE_UP = {
  ...{ tokens: 600, dim: 16, heads: 4, scale: 0.25 },
  how: { sink: 4, window: 32, rows: 8, topK: 8, tailKeys: 16 },
};

/** What each head does: its keys lie in the window, everywhere alike, in few places, in more places than are asked for. */
export const NEEDED = ["streaming", "tail", "index", "dense"] as const;

const { tokens, dim, heads, scale } = MADE_UP;
/** Keys that the third head wants. */
const FEW = [100, 250, 431];

/** Queries, keys and values, `[tokens, heads, dim]`. */
export function madeUpRows() {
  const random = new Random(5);
  const [q, k, v] = [0, 1, 2].map(() => new Float32Array(tokens * heads * dim)) as Rows;
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      const [query, key, value] = madeUp(head, token, random);
      const at = (token * heads + head) * dim;
      q.set(query, at);
      k.set(key, at);
      v.set(value, at);
    }
  }
  return { q, k, v };
}

type Rows = [q: Float32Array, k: Float32Array, v: Float32Array];

/** First dimension of keys: what queries look for. By the others clusters are made, which so do not tell where that is. */
function madeUp(head: number, token: number, random: Random): [number[], number[], number[]] {
  const noise = (size: number) => Array.from({ length: dim - 1 }, () => size * random.normal());
  const wanted = [
    token >= tokens - 20,
    false,
    FEW.includes(token),
    token > 40 && token < tokens - 60 && token % 7 === 0,
  ][head];
  const query = [head === 1 ? 0 : 32, ...new Array<number>(dim - 1).fill(0)];
  // What the middle of the text says is not what its end says.
  const said = token < tokens - 60 ? 1 : -1;
  return [query, [wanted ? 2 : 0, ...noise(2)], [said, ...noise(1)]];
}

/** Calls `work` with a probe of the layer. */
export async function withMadeUpProbe<T>(
  backend: Backend,
  work: (probe: LayerProbe) => Promise<T>,
): Promise<T> {
  const rows = madeUpRows();
  const shape = [tokens, heads, dim];
  const [q, k, v] = [rows.q, rows.k, rows.v].map((of) => backend.tensor(shape, "f32", of));
  const [out, lse] = [backend.tensor(shape), backend.tensor([tokens, heads])];
  const cache = new PagedCache(backend, { layers: 1, kvHeads: heads, dim, dtype: "f32" });
  try {
    cache.reserve(tokens);
    await cache.append(0, k!, v!, Float32Array.from({ length: tokens }, (_, token) => token));
    cache.commit(tokens);
    const config = { layers: 1, heads, kvHeads: heads, dim, scale, windows: [null] };
    return await work(
      new LayerProbe({
        model: { backend, config: config as unknown as ModelConfig },
        ...{ cache, layer: 0, chunkTokens: tokens, tensors: { q: q!, out, lse } },
        control: backend.control(),
      }),
    );
  } finally {
    for (const tensor of [q!, k!, v!, out, lse]) tensor.close();
    cache.close();
  }
}
