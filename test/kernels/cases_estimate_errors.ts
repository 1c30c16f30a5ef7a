/** Wrong arguments of estimates are refused and named; long ones are cancelled. */
import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import type { KvView, RunControl, Tensor } from "../../ffi/backend.ts";
import { CancelledError, ShapeError } from "../../ffi/errors.ts";
import { assertEndsSoon } from "./ends_soon.ts";
import { Scope } from "./scope.ts";
import { type Subject, test } from "./subject.ts";

const LENGTH = 300;

interface Arguments {
  readonly q: Tensor;
  readonly qStart: number;
  readonly heads: readonly number[];
  readonly scale: number;
  readonly kv: KvView;
  readonly start: number;
  readonly block: number;
  readonly stride: number;
  readonly row: number;
  /** `[blocks of q, heads, dim]` */
  readonly qBlocks: Tensor;
  /** `[blocks of the cache, kvHeads, dim]` */
  readonly kBlocks: Tensor;
  readonly max: Tensor;
  readonly control?: RunControl;
}

function valid(scope: Scope): Arguments {
  return {
    q: scope.tensor([4, 2, 8]),
    qStart: LENGTH - 4,
    heads: [1, 0],
    scale: 1,
    kv: { table: scope.table(1, 8, "f32", LENGTH), length: LENGTH },
    start: 0,
    block: 16,
    stride: 4,
    row: 0,
    qBlocks: scope.tensor([1, 2, 8]),
    kBlocks: scope.tensor([19, 1, 8]),
    max: scope.tensor([19, 1, 8]),
  };
}

type Operation = (scope: Scope, args: Arguments) => unknown;

const sums: Operation = ({ backend }, { q, qStart, heads, scale, kv, control }) =>
  backend.verticalSlash(q, qStart, heads, scale, kv, control);
const antidiagonals: Operation = ({ backend }, args) => {
  const { q, qStart, heads, scale, kv, stride, block, control } = args;
  return backend.antidiagonalScores(q, qStart, heads, scale, kv, stride, block, control);
};
const poolQueries: Operation = ({ backend }, { q, block, qBlocks, control }) =>
  backend.poolQueries(q, block, qBlocks, control);
const poolKeys: Operation = ({ backend }, { kv, start, block, kBlocks, control }) =>
  backend.poolKeys(kv, start, block, kBlocks, control);
const scores: Operation = ({ backend }, args) => {
  const { qBlocks, kBlocks, qStart, block, heads, scale, control } = args;
  const pooled = { q: qBlocks, k: kBlocks, qStart, block };
  return backend.blockScores(pooled, heads, scale, true, control);
};
const bounds: Operation = ({ backend }, { kv, start, block, kBlocks, max, control }) =>
  backend.keyBounds(kv, start, block, { min: kBlocks, max }, control);
const boundScores: Operation = ({ backend }, { q, row, heads, kBlocks, max, control }) =>
  backend.boundScores(q, row, heads, { min: kBlocks, max }, control);

type Change = (scope: Scope) => Partial<Arguments>;
type Case = readonly [
  wrong: string,
  error: typeof ShapeError | typeof RangeError,
  message: string,
  operation: Operation,
  change: Change,
];

const gap: Change = (scope) => {
  const table = scope.backend.pageTable(1, { dim: 8, dtype: "f32" });
  table.set(0, 1, scope.keep(scope.backend.page({ dim: 8, dtype: "f32" })));
  return { kv: { table, length: LENGTH } };
};
const MISSING = "must hold page 0 of KV head 0";

const CASES: readonly Case[] = [
  ["verticalSlash() beyond the cache", RangeError, "qStart", sums, () => ({ qStart: 297 })],
  ["verticalSlash() of another head", RangeError, "heads[1]", sums, () => ({ heads: [0, 2] })],
  ["verticalSlash() with scale NaN", RangeError, "scale", sums, () => ({ scale: NaN })],
  ["verticalSlash() with a missing page", ShapeError, MISSING, sums, gap],
  [
    "verticalSlash() of another dimension",
    ShapeError,
    "q must have shape",
    sums,
    (scope) => ({ q: scope.tensor([4, 2, 9]) }),
  ],
  [
    "verticalSlash() of heads that no group divides",
    ShapeError,
    "heads must be a multiple",
    sums,
    (scope) => ({ kv: { table: scope.table(3, 8, "f32", LENGTH), length: LENGTH } }),
  ],
  [
    "antidiagonalScores() of a block that no stride divides",
    RangeError,
    "block must be a multiple of stride 5",
    antidiagonals,
    () => ({ stride: 5 }),
  ],
  ["antidiagonalScores() of stride 0", RangeError, "stride", antidiagonals, () => ({ stride: 0 })],
  ["antidiagonalScores() with a missing page", ShapeError, MISSING, antidiagonals, gap],
  ["poolQueries() by blocks of 0", RangeError, "block", poolQueries, () => ({ block: 0 })],
  [
    "poolQueries() into another shape",
    ShapeError,
    "out must have shape [2, 2, 8]",
    poolQueries,
    () => ({ block: 3 }),
  ],
  ["poolKeys() from behind the end", RangeError, "start", poolKeys, () => ({ start: LENGTH })],
  [
    "poolKeys() into another shape",
    ShapeError,
    "out must have shape [18, 1, 8]",
    poolKeys,
    () => ({ start: 16 }),
  ],
  ["poolKeys() with a missing page", ShapeError, MISSING, poolKeys, gap],
  [
    "blockScores() of another dimension",
    ShapeError,
    "k must have shape",
    scores,
    (scope) => ({ kBlocks: scope.tensor([19, 1, 9]) }),
  ],
  ["blockScores() of another head", RangeError, "heads[0]", scores, () => ({ heads: [-1] })],
  ["blockScores() from a negative row", RangeError, "qStart", scores, () => ({ qStart: -1 })],
  ["blockScores() with scale NaN", RangeError, "scale", scores, () => ({ scale: NaN })],
  [
    "keyBounds() into a min and a max of two shapes",
    ShapeError,
    "out.max must have shape",
    bounds,
    (scope) => ({ max: scope.tensor([18, 1, 8]) }),
  ],
  ["keyBounds() with a missing page", ShapeError, MISSING, bounds, gap],
  ["boundScores() of another row", RangeError, "row", boundScores, () => ({ row: 4 })],
  [
    "boundScores() by a min and a max of two shapes",
    ShapeError,
    "bounds.max must have shape",
    boundScores,
    (scope) => ({ max: scope.tensor([18, 1, 8]) }),
  ],
];

const OPERATIONS: Readonly<Record<string, Operation>> = {
  verticalSlash: sums,
  antidiagonalScores: antidiagonals,
  poolQueries,
  poolKeys,
  blockScores: scores,
  keyBounds: bounds,
  boundScores,
};

/** Registers the tests. */
export function estimateErrorCases(subject: Subject): void {
  for (const [wrong, error, message, operation, change] of CASES) {
    test(subject, `${wrong} is a ${error.name}`, async (backend) => {
      using scope = new Scope(backend);
      const args = { ...valid(scope), ...change(scope) };
      await assertRejects(async () => await operation(scope, args), error, message);
    });
  }
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    test(subject, `${name}() counts progress and stops once it is cancelled`, async (backend) => {
      using scope = new Scope(backend);
      const control = backend.control();
      await operation(scope, { ...valid(scope), control });
      assertGreater(control.progress, 0);
      control.cancel();
      const call = async () => await operation(scope, { ...valid(scope), control });
      await assertRejects(call, CancelledError);
    });
  }
  const { pace } = subject;
  if (pace === null) return;
  test(subject, "cancel() ends a long antidiagonalScores() soon", async (backend) => {
    using scope = new Scope(backend);
    const control = backend.control();
    const [tokens, dim, heads] = [16384 * pace, 64, 8];
    const kv = { table: scope.table(1, dim, "f32", tokens), length: tokens };
    const q = scope.tensor([tokens, heads, dim]);
    const chosen = Array.from({ length: heads }, (_, head) => head);
    const call = backend.antidiagonalScores(q, 0, chosen, 1, kv, 1, 64, control);
    await assertEndsSoon(backend, control, Promise.resolve(call));
    assertEquals(control.cancelled, true);
  });
}
