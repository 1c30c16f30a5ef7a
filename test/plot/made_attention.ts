/** Attention with a sink, a local band, a slash and a block: seeded. */
import type { AttentionMatrix, PooledAttention } from "../../lib/plot/map/map_grid.ts";
import { Random } from "../random.ts";

/** A causal matrix whose rows sum to 1: the last `rows` queries of `columns` tokens. */
export function madeMatrix(rows: number, columns: number, seed = 1): AttentionMatrix {
  const random = new Random(seed);
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const query = columns - rows + row;
    const line = values.subarray(row * columns, row * columns + query + 1);
    line.forEach((_, key) => line[key] = (0.2 + random.next()) * weight(query, key, columns));
    const sum = line.reduce((a, b) => a + b, 0);
    line.forEach((value, key) => line[key] = value / sum);
  }
  return { rows, columns, values, layer: 1, head: 2 };
}

function weight(query: number, key: number, tokens: number): number {
  if (key === 0) return 8;
  if (query - key === Math.floor(tokens / 3)) return 4;
  if (query > 0.8 * tokens && Math.abs(key - 0.3 * tokens) < 3) return 3;
  return 2 * Math.exp((key - query) / 4) + 0.01;
}

/** The pooled map of a square matrix, by the definition of its fields. */
export function pooledMap(
  { columns: tokens, values }: AttentionMatrix,
  bins: number,
): PooledAttention {
  const mean = new Float32Array(bins * bins);
  const max = new Float32Array(bins * bins);
  const counts = new Float32Array(bins);
  const binOf = (token: number) => Math.floor(token * bins / tokens);
  for (let query = 0; query < tokens; query++) {
    counts[binOf(query)]!++;
    for (let key = 0; key <= query; key++) {
      const cell = binOf(query) * bins + binOf(key);
      mean[cell]! += values[query * tokens + key]!;
      max[cell] = Math.max(max[cell]!, values[query * tokens + key]!);
    }
  }
  return {
    layer: 1,
    head: 2,
    tokens,
    bins,
    max,
    mean: mean.map((sum, i) => sum / counts[Math.floor(i / bins)]!),
  };
}
