/** Queries and keys of the heads of a model that reads a text, as arrays. */
import type { CoveredModel } from "./probed_texts.ts";

/** A KV head of a layer, and the query heads that share it, over a text. */
export interface RecordedHead {
  /** Layer number. */
  readonly layer: number;
  /** KV head. */
  readonly kvHead: number;
  /** Size of a head. */
  readonly dim: number;
  /** What scores are multiplied by before softmax. */
  readonly scale: number;
  /** Keys after RoPE, `[tokens, dim]`. */
  readonly keys: Float32Array;
  /** Queries after RoPE of each query head of the KV head, `[tokens, dim]`. */
  readonly queries: readonly Float32Array[];
  /** What RoPE turns each pair of dimensions by, radians a token: dimension `i` with `i + frequencies.length`. */
  readonly frequencies: Float64Array;
}

/** Options of {@link recordHeads}. */
export interface RecordHeadsOptions {
  /** Layers to record. */
  readonly layers: readonly number[];
  /** RoPE's radians a token, half as many as it turns dimensions. */
  readonly frequencies: Float64Array;
  /**
   * Tokens that are read together.
   * @default 2048
   */
  readonly chunkTokens?: number;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** Reads a text densely and keeps the queries and keys of some layers: all KV heads of each. */
export async function recordHeads(
  model: CoveredModel,
  ids: Int32Array,
  { layers, frequencies, chunkTokens = 2048, signal }: RecordHeadsOptions,
): Promise<RecordedHead[]> {
  const { heads, kvHeads, dim, scale } = model.config;
  const group = heads / kvHeads;
  const session = model.session({ chunkTokens });
  const recorded = layers.flatMap((layer) =>
    Array.from({ length: kvHeads }, (_, kvHead): RecordedHead => ({
      ...{ layer, kvHead, dim, scale, frequencies },
      keys: new Float32Array(ids.length * dim),
      queries: Array.from({ length: group }, () => new Float32Array(ids.length * dim)),
    }))
  );
  try {
    session.hooks.add({ at: "qkv", layers }, (state) => {
      const at = state.rows.start * dim;
      const [q, k] = [state.read("q"), state.read("k")];
      for (const { layer, kvHead, keys, queries } of recorded) {
        if (layer !== state.layer) continue;
        keys.set(headOf(k, kvHead, kvHeads, dim), at);
        queries.forEach((to, i) => to.set(headOf(q, kvHead * group + i, heads, dim), at));
      }
    });
    await session.prefill(ids, signal ? { signal } : {});
    return recorded;
  } finally {
    session.close();
  }
}

/** Rows of one head of `[rows, heads, dim]`. */
function headOf(all: Float32Array, head: number, heads: number, dim: number): Float32Array {
  const rows = new Float32Array(all.length / heads);
  for (let row = 0; row < rows.length / dim; row++) {
    const first = (row * heads + head) * dim;
    rows.set(all.subarray(first, first + dim), row * dim);
  }
  return rows;
}
