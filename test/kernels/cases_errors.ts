/** Every wrong argument is refused before anything is computed, and named. */
import { assertRejects } from "@std/assert";
import type {
  Backend,
  KeyPlan,
  KvView,
  OutputWeights,
  PartialAttention,
  QkvWeights,
  RopeTables,
  Tensor,
  TilePlan,
} from "../../ffi/backend.ts";
import { BackendError, ShapeError } from "../../ffi/errors.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { densePlan, fullKeyPlan } from "./make_plans.ts";
import { Scope } from "./scope.ts";
import { outputs } from "./shapes.ts";
import { type Subject, test } from "./subject.ts";

type ErrorClass = typeof BackendError | typeof ShapeError | typeof RangeError;
type Case = readonly [
  wrong: string,
  error: ErrorClass,
  message: string,
  call: (scope: Scope) => unknown,
];

/** Registers the tests. */
export function errorCases(subject: Subject): void {
  for (const [wrong, error, message, call] of CASES) {
    test(subject, `${wrong} is a ${error.name}`, async (backend) => {
      using scope = new Scope(backend);
      await assertRejects(async () => await call(scope), error, message);
    });
  }
}

const LENGTH = 300;

/** All arguments of all operations, valid; a case replaces one of them. */
interface Arguments {
  q: Tensor;
  qStart: number;
  row: number;
  head: number;
  scale: number;
  kv: KvView;
  out: PartialAttention;
  tiles: TilePlan;
  keys: KeyPlan;
  bins: number;
  start: number;
  end: number;
  k: number;
}

function valid(scope: Scope): Arguments {
  return {
    q: scope.tensor([4, 2, 8]),
    qStart: LENGTH - 4,
    row: 0,
    head: 0,
    scale: 1,
    kv: { table: scope.table(1, 8, "f32", LENGTH), length: LENGTH },
    out: outputs(scope, 4, 2, 8),
    tiles: densePlan({ tokens: 4, qStart: LENGTH - 4, kvLength: LENGTH }),
    keys: fullKeyPlan(LENGTH),
    bins: 3,
    start: 0,
    end: LENGTH,
    k: 5,
  };
}

type Change = (scope: Scope, args: Arguments) => Partial<Arguments>;

const tiles = (change: Change) => (scope: Scope) => {
  const args = { ...valid(scope), ...change(scope, valid(scope)) };
  const { q, qStart, scale, kv, tiles, out } = args;
  return scope.backend.attendTiles(q, qStart, scale, kv, [tiles, tiles], out);
};

const plan = (change: Partial<TilePlan>) =>
  tiles((_, args) => ({ tiles: { ...args.tiles, ...change } }));

const keys = (change: Change) => (scope: Scope) => {
  const { q, scale, kv, keys, out } = { ...valid(scope), ...change(scope, valid(scope)) };
  return scope.backend.attendKeys(q, scale, kv, Array.from({ length: 8 }, () => keys), out);
};

const keyPlan = (ranges: number[], indices: number[] = []) =>
  keys(() => ({ keys: { ranges: Int32Array.from(ranges), indices: Int32Array.from(indices) } }));

const row = (change: Change) => (scope: Scope) => {
  const args = { ...valid(scope), ...change(scope, valid(scope)) };
  return scope.backend.attentionRow(args.q, args.row, args.head, args.scale, args.kv, args.keys);
};

const map = (change: Change, cells = 9) => (scope: Scope) => {
  const { q, qStart, head, scale, kv, bins } = { ...valid(scope), ...change(scope, valid(scope)) };
  const [sum, max] = [new Float32Array(cells), new Float32Array(9)];
  return scope.backend.poolMap(q, qStart, head, scale, kv, bins, sum, max);
};

const search = (change: Change) => (scope: Scope) => {
  const args = { ...valid(scope), ...change(scope, valid(scope)) };
  const { q, row, head, kv, start, end, k } = args;
  return scope.backend.topKeys(q, row, [0, head], kv, start, end, k);
};

const store = (start: number, rows: number, positions: number) => (scope: Scope) => {
  const { table } = valid(scope).kv;
  const [k, v] = [scope.tensor([4, 1, 8]), scope.tensor([rows, 1, 8])];
  return scope.backend.append(table, start, k, v, new Float32Array(positions));
};

const embedding = (ids: number[], vocab = 4, width = 6) => (scope: Scope) => {
  const out = scope.tensor([2, width]);
  return scope.backend.embed(Int32Array.from(ids), scope.tensor([vocab, 6]), 1, out);
};

type QkvChange = (scope: Scope) => { weights?: Partial<QkvWeights>; rope?: Partial<RopeTables> };

const qkv = (change: QkvChange, kvHeads = 1) => (scope: Scope) => {
  const { weights, rope } = change(scope);
  const none = { bq: null, bk: null, bv: null, qNorm: null, kNorm: null };
  const [wq, wk] = [scope.tensor([16, 6]), scope.tensor([8 * kvHeads, 6])];
  const all = { norm: scope.tensor([6]), eps: 1e-6, wq, wk, wv: wk, ...none, ...weights };
  const tables = { cos: scope.tensor([2, 4, 4]), sin: scope.tensor([2, 4, 4]), ...rope };
  const [k, v] = [scope.tensor([4, kvHeads, 8]), scope.tensor([4, kvHeads, 8])];
  return scope.backend.qkv(scope.tensor([4, 6]), all, tables, { q: scope.tensor([4, 2, 8]), k, v });
};

const layer = (change: (scope: Scope) => Partial<OutputWeights>) => (scope: Scope) => {
  const weights: OutputWeights = {
    wo: scope.tensor([6, 16]),
    attentionPostNorm: null,
    norm: scope.tensor([6]),
    eps: 1e-6,
    wGate: scope.tensor([5, 6]),
    wUp: scope.tensor([5, 6]),
    wDown: scope.tensor([6, 5]),
    ffnPostNorm: null,
    activation: "silu",
    ...change(scope),
  };
  return scope.backend.output(scope.tensor([4, 6]), scope.tensor([4, 2, 8]), weights);
};

const foreign = (shape: number[]): Tensor => {
  const other: Backend = openReferenceBackend();
  const tensor = other.tensor(shape);
  // A backend name that is nobody's, so that the case holds for the reference as well.
  return Object.defineProperty(tensor, "backend", { value: "another" });
};

const closed = (scope: Scope, shape: number[]): Tensor => {
  const tensor = scope.backend.tensor(shape);
  tensor.close();
  return tensor;
};

const bits = Int32Array;
const withGap = (scope: Scope): Partial<Arguments> => {
  const table = scope.backend.pageTable(1, { dim: 8, dtype: "f32" });
  table.set(0, 0, scope.keep(scope.backend.page({ dim: 8, dtype: "f32" })));
  return { kv: { table, length: LENGTH } };
};
const withClosedPage = (scope: Scope): Partial<Arguments> => {
  const { kv } = withGap(scope);
  const page = scope.backend.page({ dim: 8, dtype: "f32" });
  kv!.table.set(0, 1, page);
  page.close();
  return { kv: kv! };
};

const MISSING = "page table must hold page 1 of KV head 0";
const RISE = "plans[0].ranges must rise without overlap";

const CASES: readonly Case[] = [
  ["tensor() with a negative dimension", ShapeError, "shape", (s) => s.tensor([2, -1])],
  ["tensor() with a broken dimension", ShapeError, "shape", (s) => s.tensor([2.5])],
  [
    "tensor() with data of another length",
    ShapeError,
    "data must have length 6",
    (s) => s.tensor([2, 3], new Float32Array(5)),
  ],
  [
    "write() of another length",
    ShapeError,
    "data must have length 6: current value is 7",
    (s) => s.tensor([2, 3]).write(new Float32Array(7)),
  ],
  ["rows() beyond the tensor", RangeError, "count", (s) => s.tensor([4, 2]).rows(2, 3)],
  ["rows() of none", RangeError, "count", (s) => s.tensor([4, 2]).rows(2, 0)],
  [
    "page() of dimension 0",
    ShapeError,
    "spec.dim",
    (s) => s.backend.page({ dim: 0, dtype: "f32" }),
  ],
  [
    "pageTable() without heads",
    ShapeError,
    "kvHeads",
    (s) => s.backend.pageTable(0, { dim: 8, dtype: "f32" }),
  ],
  [
    "set() of another head",
    RangeError,
    "kvHead",
    (s) => s.table(1, 8, "f32", 1).set(1, 0, s.keep(s.backend.page({ dim: 8, dtype: "f32" }))),
  ],
  [
    "set() of a page of another spec",
    ShapeError,
    "page must be of f32 and dimension 8",
    (s) => s.table(1, 8, "f32", 1).set(0, 0, s.keep(s.backend.page({ dim: 8, dtype: "bf16" }))),
  ],

  ["embed() of an id outside the table", RangeError, "ids[1]", embedding([3, 4])],
  ["embed() of a negative id", RangeError, "ids[0]", embedding([-1, 0])],
  ["embed() into another width", ShapeError, "out must have shape [2, 6]", embedding([0, 1], 4, 5)],
  ["embed() of more ids than rows", ShapeError, "out must have shape [3, 6]", embedding([0, 1, 2])],

  [
    "qkv() with a wrong norm",
    ShapeError,
    "weights.norm must have shape [6]",
    qkv((s) => ({
      weights: { norm: s.tensor([7]) },
    })),
  ],
  [
    "qkv() with a wrong wq",
    ShapeError,
    "weights.wq must have shape [16, 6]",
    qkv((s) => ({
      weights: { wq: s.tensor([15, 6]) },
    })),
  ],
  [
    "qkv() with a bf16 norm",
    ShapeError,
    "weights.norm must be f32",
    qkv((s) => ({
      weights: { norm: s.tensor([6], undefined, "bf16") },
    })),
  ],
  [
    "qkv() with a wrong bias",
    ShapeError,
    "weights.bk must have shape [8]",
    qkv((s) => ({
      weights: { bk: s.tensor([16]) },
    })),
  ],
  [
    "qkv() with a wrong head norm",
    ShapeError,
    "weights.qNorm must have shape [8]",
    qkv((s) => ({
      weights: { qNorm: s.tensor([16]) },
    })),
  ],
  ["qkv() with a negative eps", RangeError, "weights.eps", qkv(() => ({ weights: { eps: -1 } }))],
  [
    "qkv() with heads that do not group",
    ShapeError,
    "heads must be a multiple of 3",
    qkv(
      () => ({}),
      3,
    ),
  ],
  [
    "qkv() with tables of other tokens",
    ShapeError,
    "rope.cos must have shape [tables, 4",
    qkv(
      (s) => ({ rope: { cos: s.tensor([2, 3, 4]) } }),
    ),
  ],
  [
    "qkv() with a sin unlike cos",
    ShapeError,
    "rope.sin must have shape [2, 4, 4]",
    qkv((s) => ({
      rope: { sin: s.tensor([1, 4, 4]) },
    })),
  ],
  [
    "qkv() that turns more than dim",
    ShapeError,
    "rope.cos must turn at most 8",
    qkv((s) => ({
      rope: { cos: s.tensor([1, 4, 5]) },
    })),
  ],
  [
    "qkv() with a short tableOfHead",
    ShapeError,
    "rope.tableOfHead must have length 3",
    qkv(() => ({
      rope: { tableOfHead: bits.of(0, 0) },
    })),
  ],
  [
    "qkv() with a table that is not there",
    RangeError,
    "rope.tableOfHead[2]",
    qkv(() => ({
      rope: { tableOfHead: bits.of(0, 1, 2) },
    })),
  ],

  [
    "output() with a wrong wo",
    ShapeError,
    "weights.wo must have shape [6, 16]",
    layer((s) => ({
      wo: s.tensor([16, 6]),
    })),
  ],
  [
    "output() with unequal gate and up",
    ShapeError,
    "weights.wUp must have shape [5, 6]",
    layer((
      s,
    ) => ({ wUp: s.tensor([4, 6]) })),
  ],
  [
    "output() with a wrong post-norm",
    ShapeError,
    "weights.ffnPostNorm must have shape [6]",
    layer((s) => ({
      ffnPostNorm: s.tensor([5]),
    })),
  ],
  [
    "a quantised tensor whose rows are no whole blocks",
    ShapeError,
    "rows of q8_0 must be whole blocks of 32: current value is [2, 48]",
    (s) => s.tensor([2, 48], undefined, "q8_0"),
  ],
  [
    "a tensor of blocks that cannot be made of numbers",
    BackendError,
    "Cannot write a tensor of q4_k",
    (s) => s.tensor([1, 256], undefined, "q4_k").write(new Float32Array(256)),
  ],
  [
    "output() with an unknown activation",
    RangeError,
    "weights.activation",
    layer(() => ({
      activation: "relu" as "silu",
    })),
  ],

  [
    "logits() with a wrong head",
    ShapeError,
    "head must have shape [vocab, 6]",
    (s) => s.backend.logits(s.tensor([4, 6]), s.tensor([6]), 0, s.tensor([9, 5]), s.tensor([4, 9])),
  ],
  [
    "logits() with a wrong out",
    ShapeError,
    "out must have shape [4, 9]",
    (s) => s.backend.logits(s.tensor([4, 6]), s.tensor([6]), 0, s.tensor([9, 6]), s.tensor([4, 8])),
  ],
  [
    "logProbs() with too few targets",
    ShapeError,
    "targets must have length 4",
    (s) => s.backend.logProbs(s.tensor([4, 9]), new Int32Array(3)),
  ],
  [
    "logProbs() with a target outside",
    RangeError,
    "targets[1]",
    (s) => s.backend.logProbs(s.tensor([2, 9]), Int32Array.of(8, 9)),
  ],

  ["append() beyond the pages", ShapeError, "must hold page 2", store(510, 4, 4)],
  ["append() at a negative start", RangeError, "start", store(-1, 4, 4)],
  ["append() with unequal k and v", ShapeError, "v must have shape [4, 1, 8]", store(0, 3, 4)],
  ["append() with too few positions", ShapeError, "positions must have length 4", store(0, 4, 3)],
  [
    "readKv() of another head",
    RangeError,
    "kvHead",
    (s) => s.backend.readKv(valid(s).kv.table, 1, 0, 1),
  ],
  [
    "readKv() beyond the pages",
    ShapeError,
    "must hold page 2",
    (s) => s.backend.readKv(valid(s).kv.table, 0, 500, 20),
  ],
  [
    "readKv() of a negative count",
    RangeError,
    "count",
    (s) => s.backend.readKv(valid(s).kv.table, 0, 5, -1),
  ],

  [
    "attendTiles() with q of another dim",
    ShapeError,
    "q must have shape [tokens, heads, 8]",
    tiles(
      (s) => ({ q: s.tensor([4, 2, 7]) }),
    ),
  ],
  [
    "attendTiles() with q of another backend",
    ShapeError,
    "q must be a tensor of backend",
    tiles(
      () => ({ q: foreign([4, 2, 8]) }),
    ),
  ],
  [
    "attendTiles() with a closed q",
    ShapeError,
    "q must be open",
    tiles((s) => ({
      q: closed(s, [4, 2, 8]),
    })),
  ],
  [
    "attendTiles() with a bf16 q",
    ShapeError,
    "q must be f32: current value is bf16",
    tiles((s) => ({
      q: s.tensor([4, 2, 8], undefined, "bf16"),
    })),
  ],
  [
    "attendTiles() with a wrong out",
    ShapeError,
    "out.out must have shape [4, 2, 8]",
    tiles((s) => ({
      out: outputs(s, 4, 1, 8),
    })),
  ],
  [
    "attendTiles() with a wrong lse",
    ShapeError,
    "out.lse must have shape [4, 2]",
    tiles((s, a) => ({
      out: { ...a.out, lse: s.tensor([2, 4]) },
    })),
  ],
  [
    "attendTiles() with heads that do not group",
    ShapeError,
    "heads must be a multiple",
    tiles((
      s,
    ) => ({ kv: { table: s.table(3, 8, "f32", LENGTH), length: LENGTH } })),
  ],
  [
    "attendTiles() of another number of plans",
    ShapeError,
    "plans must have length 1",
    tiles((s) => ({
      q: s.tensor([4, 1, 8]),
      out: outputs(s, 4, 1, 8),
    })),
  ],
  ["attendTiles() after the cache's end", RangeError, "qStart", tiles(() => ({ qStart: LENGTH }))],
  [
    "attendTiles() of more rows than the cache",
    RangeError,
    "kv.length must be at least the 4",
    tiles(
      (_, a) => ({ kv: { ...a.kv, length: 3 } }),
    ),
  ],
  ["attendTiles() with scale NaN", RangeError, "scale", tiles(() => ({ scale: NaN }))],
  ["attendTiles() with a missing page", ShapeError, MISSING, tiles(withGap)],
  ["attendTiles() with a closed page", ShapeError, MISSING, tiles(withClosedPage)],

  ["a tile plan with tileQ 0", ShapeError, "plans[0].tileQ", plan({ tileQ: 0 })],
  ["a tile plan with tileQ 65", ShapeError, "plans[0].tileQ", plan({ tileQ: 65 })],
  ["a tile plan with tileK 48", ShapeError, "plans[0].tileK must be 32 or 64", plan({ tileK: 48 })],
  [
    "a tile plan with a short rowPtr",
    ShapeError,
    "plans[0].rowPtr must have length 2",
    plan({
      rowPtr: bits.of(0),
    }),
  ],
  [
    "a tile plan with a rowPtr that ends early",
    ShapeError,
    "plans[0].rowPtr must rise from 0",
    plan({
      rowPtr: bits.of(0, 1),
    }),
  ],
  [
    "a tile plan with a falling rowPtr",
    ShapeError,
    "plans[0].rowPtr must rise from 0",
    plan({
      tileQ: 2,
      rowPtr: bits.of(0, 9, 5),
      colPtr: bits.of(0, 0, 0),
    }),
  ],
  [
    "a tile plan with a wrong colPtr",
    ShapeError,
    "plans[0].colPtr must rise from 0 to 1",
    plan({
      columns: bits.of(3),
    }),
  ],
  [
    "a tile plan with too few kinds",
    ShapeError,
    "plans[0].kind must have length",
    plan({
      kind: bits.of(0),
    }),
  ],
  [
    "a tile plan with a mask that is not there",
    ShapeError,
    "plans[0].kind[4]",
    plan({
      kind: bits.of(0, 0, 0, 0, 2),
    }),
  ],
  [
    "a tile plan with a broken mask",
    ShapeError,
    "plans[0].masks must have a multiple",
    plan({
      masks: new Int32Array(127),
    }),
  ],
  [
    "a tile plan with a tile after the end",
    ShapeError,
    "plans[0].keyStart must lie inside",
    plan({
      keyStart: bits.of(0, 64, 128, 192, LENGTH),
    }),
  ],
  [
    "a tile plan with a column after the end",
    ShapeError,
    "plans[0].columns must lie inside",
    plan({
      columns: bits.of(LENGTH),
      colPtr: bits.of(0, 1),
    }),
  ],
  [
    "a tile plan with falling columns",
    ShapeError,
    "plans[0].columns must rise",
    plan({
      columns: bits.of(7, 7),
      colPtr: bits.of(0, 2),
    }),
  ],

  ["a key plan with half a range", ShapeError, "plans[0].ranges must hold pairs", keyPlan([1])],
  ["a key plan with an empty range", ShapeError, RISE, keyPlan([3, 3])],
  ["a key plan with overlapping ranges", ShapeError, RISE, keyPlan([3, 9, 8, 12])],
  ["a key plan beyond the cache", ShapeError, RISE, keyPlan([3, LENGTH + 1])],
  [
    "a key plan with falling indices",
    ShapeError,
    "plans[0].indices must rise",
    keyPlan([], [4, 2]),
  ],
  [
    "a key plan with an index in a range",
    ShapeError,
    "indices must lie outside",
    keyPlan([3, 9], [
      1,
      5,
    ]),
  ],
  [
    "a key plan with an index outside",
    ShapeError,
    "indices must lie inside",
    keyPlan([], [LENGTH]),
  ],
  [
    "attendKeys() of another number of plans",
    ShapeError,
    "plans must have length 4",
    keys((s) => ({
      q: s.tensor([2, 2, 8]),
      out: outputs(s, 2, 2, 8),
    })),
  ],
  ["attendKeys() with a missing page", ShapeError, MISSING, keys(withGap)],

  [
    "merge() of unequal shapes",
    ShapeError,
    "b.out must have shape [4, 2, 8]",
    (s) => s.backend.merge(outputs(s, 4, 2, 8), outputs(s, 4, 1, 8), outputs(s, 4, 2, 8)),
  ],
  ["merge() with a wrong lse", ShapeError, "into.lse must have shape [4, 2]", (s) => {
    const a = outputs(s, 4, 2, 8);
    return s.backend.merge(a, a, { out: a.out, lse: s.tensor([4]) });
  }],

  ["attentionRow() of another row", RangeError, "row", row(() => ({ row: 4 }))],
  ["attentionRow() of another head", RangeError, "head", row(() => ({ head: 2 }))],
  [
    "attentionRow() with a wrong plan",
    ShapeError,
    "plan.ranges",
    row(() => ({
      keys: fullKeyPlan(LENGTH + 1),
    })),
  ],
  ["attentionRow() with a missing page", ShapeError, MISSING, row(withGap)],
  ["poolMap() of no bins", RangeError, "bins", map(() => ({ bins: 0 }))],
  ["poolMap() of more bins than tokens", RangeError, "bins", map(() => ({ bins: LENGTH + 1 }))],
  ["poolMap() into another sum", ShapeError, "sum must have length 9", map(() => ({}), 8)],
  ["poolMap() of another head", RangeError, "head", map(() => ({ head: -1 }))],
  ["poolMap() with a missing page", ShapeError, MISSING, map(withGap)],
  ["topKeys() of no keys", RangeError, "k must be", search(() => ({ k: 0 }))],
  ["topKeys() beyond the cache", RangeError, "end", search(() => ({ end: LENGTH + 1 }))],
  ["topKeys() of a falling range", RangeError, "end", search(() => ({ start: 9, end: 8 }))],
  ["topKeys() of another head", RangeError, "heads[1]", search(() => ({ head: 2 }))],
  ["topKeys() of another row", RangeError, "row", search(() => ({ row: 1.5 }))],
  ["topKeys() with a missing page", ShapeError, MISSING, search(withGap)],
];
