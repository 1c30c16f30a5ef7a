/** A head such as a model's: clustered keys of falling spectrum, queries off their mean, both turned by RoPE. */
import { moved } from "../../lib/eval/key_set.ts";
import type { RecordedHead } from "../../lib/eval/recorded_heads.ts";
import { Random } from "../random.ts";

const CLUSTERS = 12;

/** `tokens` keys and queries of two query heads, of 8 dimensions; turned by RoPE unless `turned` is false. */
export function randomHead(tokens: number, { seed = 1, turned = true } = {}): RecordedHead {
  const random = new Random(seed);
  const dim = 8;
  const frequencies = Float64Array.of(...(turned ? [1, 0.1, 0.01, 0.001] : []));
  const centres = Array.from({ length: CLUSTERS }, () => random.normals(dim, 2));
  const rows = (offset: number) => {
    const all = new Float32Array(tokens * dim);
    for (let row = 0; row < tokens; row++) {
      const centre = random.pick(centres);
      for (let i = 0; i < dim; i++) {
        all[row * dim + i] = offset + (centre[i]! + random.normal()) / (1 + i / 2);
      }
    }
    return moved(all, { dim, frequencies }, (row) => row);
  };
  return {
    ...{ layer: 0, kvHead: 0, dim, scale: 1 / Math.sqrt(dim), frequencies },
    keys: rows(0.5),
    queries: [rows(-1), rows(-0.5)],
  };
}
