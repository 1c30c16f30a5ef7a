/** Random shapes and data of attention calls. */
import fc from "fast-check";
import type { PartialAttention } from "../../ffi/backend.ts";
import type { Random } from "../random.ts";
import type { KvData, Scope } from "./scope.ts";
import type { Outcome } from "./tolerance.ts";

/** Shape of an attention call whose last row is the cache's last token. */
export interface AttentionShape {
  /** Rows. */
  readonly tokens: number;
  /** Tokens in the cache. */
  readonly kvLength: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Query heads of a KV head. */
  readonly group: number;
  /** Head dimension. */
  readonly dim: number;
}

/** Multiply-adds of the scores of a case: keeps the reference at some 10 ms. */
const WORK = 4e6;

/** Odd lengths, lengths about page and tile edges, groups of 1 to 8, and one dimension that no vector divides. */
export const attentionShapes: fc.Arbitrary<AttentionShape> = fc.record({
  tokens: fc.oneof(
    fc.constantFrom(1, 2, 15, 16, 17, 63, 64, 65, 130),
    fc.integer({ min: 1, max: 40 }),
  ),
  kvLength: fc.oneof(
    fc.constantFrom(1, 2, 31, 32, 33, 63, 64, 65, 255, 256, 257, 511, 512, 513),
    fc.integer({ min: 1, max: 700 }),
  ),
  kvHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 8 }),
  dim: fc.constantFrom(20, 32, 64, 80, 96, 128, 256),
}).map(affordable);

function affordable(shape: AttentionShape): AttentionShape {
  const { kvLength, kvHeads, group, dim } = shape;
  const rows = Math.ceil(WORK / (kvLength * kvHeads * group * dim));
  return { ...shape, tokens: Math.min(shape.tokens, kvLength, rows) };
}

/** Normal keys and values. */
export function randomKv(
  random: Random,
  { kvLength, kvHeads, dim }: Pick<AttentionShape, "kvLength" | "kvHeads" | "dim">,
): KvData {
  const size = kvLength * kvHeads * dim;
  return { k: random.normals(size), v: random.normals(size), length: kvLength, kvHeads, dim };
}

/** Tensors for the result of an attention call, filled with `rubbish` that the call must overwrite. */
export function outputs(
  scope: Scope,
  tokens: number,
  heads: number,
  dim: number,
  rubbish = 0,
): PartialAttention {
  const fill = (count: number) => new Float32Array(count).fill(rubbish);
  return {
    out: scope.tensor([tokens, heads, dim], fill(tokens * heads * dim)),
    lse: scope.tensor([tokens, heads], fill(tokens * heads)),
  };
}

/**
 * The result, judged head by head.
 *
 * @param floor least size that an error is compared with: that of the parts, where parts of opposite sign may cancel
 */
export function outcomes({ out, lse }: PartialAttention, floor = 0): Outcome[] {
  return [
    { name: "out", values: out.read(), width: out.shape.at(-1)!, floor },
    { name: "lse", values: lse.read(), width: 1, floor: 1 },
  ];
}
