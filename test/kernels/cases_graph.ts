/** nearestKeys, scoreKeys, extendGraph and searchGraph: against the reference, and what must hold of every graph. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { KvDType, KvView } from "../../ffi/backend.ts";
import { CancelledError } from "../../ffi/errors.ts";
import type { FoundKeys, Graphs } from "../../ffi/index_operations.ts";
import { Random } from "../random.ts";
import {
  buildGraph,
  emptyGraph,
  farQueries,
  type GraphShape,
  linksOf,
  reachedNodes,
  recall,
  searchGraph,
} from "./graph_fixture.ts";
import { Scope } from "./scope.ts";
import { beside, parity, type Subject, test } from "./subject.ts";
import { TOLERANCE } from "./tolerance.ts";

const DTYPES = fc.constantFrom<KvDType>("f32", "bf16", "int8");

/** Registers the tests that compare with the reference, and those of how much is found. */
export function graphParity(subject: Subject): void {
  exactCases(subject);
  equalityCases(subject);
  qualityCases(subject);
}

/** Registers the tests that need no other backend. */
export function graphContract(subject: Subject): void {
  reachCases(subject);
  refusalCases(subject);
}

type Rows = Float32Array<ArrayBuffer>;

function exactCases(subject: Subject): void {
  const shapes = fc.record({
    length: fc.oneof(fc.constantFrom(1, 64, 65, 256, 513), fc.integer({ min: 1, max: 600 })),
    rows: fc.oneof(fc.constantFrom(1, 15, 16, 17, 257), fc.integer({ min: 1, max: 40 })),
    dim: fc.constantFrom(1, 8, 20, 64),
    k: fc.oneof(fc.constantFrom(1, 32, 700), fc.integer({ min: 1, max: 64 })),
    dtype: DTYPES,
  });
  parity(subject, "nearestKeys() gives the reference's keys, equal scores to the lower key", {
    runs: 25,
    shapes,
    tolerance: 0,
    work: async (scope, random, { length, rows, dim, k, dtype }) => {
      const kv = await integerKv(scope, random, length, dim, dtype);
      const q = random.integers(rows * dim, -2, 2) as Rows;
      const [start = 0, end = length] = random.subset(random.pick([0, 2]), 0, length);
      const found = await scope.backend.indexes.nearestKeys(q, 1, kv, { start, end }, k);
      return [
        { name: "keys", values: Float32Array.from(found.keys), width: k },
        { name: "scores", values: found.scores.map((x) => x === -Infinity ? -1e9 : x), width: k },
      ];
    },
  });
  parity(subject, "scoreKeys() equals the reference for keys in any order", {
    runs: 25,
    shapes,
    tolerance: TOLERANCE.f32,
    work: async (scope, random, { length, rows, dim, dtype }) => {
      const [k, v] = [random.normals(length * 2 * dim), new Float32Array(length * 2 * dim)];
      const kv = await scope.kv({ k, v, length, kvHeads: 2, dim }, dtype);
      const q = random.normals(rows * dim) as Rows;
      const counts = Array.from({ length: rows }, () => random.integer(0, 5));
      const ptr = Int32Array.from([0, ...counts], ((sum) => (count) => sum += count)(0));
      const keys = Int32Array.from({ length: ptr[rows]! }, () => random.integer(0, length - 1));
      const kvHeadOf = Int32Array.from({ length: rows }, () => random.integer(0, 1));
      const values = await scope.backend.indexes.scoreKeys({ q, kvHeadOf }, kv, { ptr, keys });
      return [{ name: "scores", values, width: values.length, floor: 1 }];
    },
  });
}

interface Case {
  readonly nodes: number;
  readonly start: number;
  readonly dim: number;
  readonly dtype: KvDType;
  readonly shape: Omit<GraphShape, "steps">;
  readonly cuts: number;
}

function equalityCases(subject: Subject): void {
  const shape = fc.record({
    degree: fc.constantFrom(2, 3, 8, 16),
    width: fc.constantFrom(1, 5, 20),
    entryCount: fc.constantFrom(1, 3),
    listRows: fc.constantFrom(0, 1, 30),
    listLength: fc.constantFrom(1, 4, 12),
  });
  const cases = fc.record({
    nodes: fc.oneof(fc.constantFrom(0, 1, 2, 17), fc.integer({ min: 1, max: 300 })),
    start: fc.constantFrom(0, 3, 250),
    dim: fc.constantFrom(1, 4, 12, 32),
    dtype: DTYPES,
    shape,
    cuts: fc.constantFrom(0, 1, 2),
  });
  // Small integers: all scores and gaps are exact, many are equal, and many keys are the same.
  beside(subject, "extendGraph() and searchGraph() equal the reference on integers", {
    ...{ runs: 40, seed: 9, shapes: cases },
    compare: async (tested, reference, seed, one) => {
      const actual = await buildAndSearch(tested, new Random(seed), one);
      assertEquals(actual, await buildAndSearch(reference, new Random(seed), one));
    },
  });
}

async function buildAndSearch(
  scope: Scope,
  random: Random,
  { nodes, start, dim, dtype, shape, cuts }: Case,
): Promise<{ readonly graphs: Graphs; readonly found: FoundKeys }> {
  const kv = await integerKv(scope, random, Math.max(1, start + nodes), dim, dtype);
  const q = random.integers((shape.listRows + 5) * dim, -2, 2) as Rows;
  const steps = [...random.subset(cuts, 0, nodes), nodes];
  const graphs = await buildGraph(scope, kv, start, q, { ...shape, steps });
  const rows = q.slice(shape.listRows * dim);
  const searched = { kv, start, nodes: random.integer(0, nodes) };
  const found = await searchGraph(scope, searched, graphs, rows, { width: 20, k: 9 });
  return { graphs, found };
}

const SHAPE: GraphShape = {
  degree: 6,
  width: 12,
  entryCount: 2,
  listRows: 20,
  listLength: 8,
  steps: [400],
};

function reachCases(subject: Subject): void {
  const kinds: Readonly<Record<string, (random: Random) => Float32Array>> = {
    "random keys": (random) => random.normals(400 * 8),
    "zero keys": () => new Float32Array(400 * 8),
    "keys that are each there ten times": (random) =>
      Float32Array.from(
        { length: 400 * 8 },
        ((some) => (_, i) => some[i % 320]!)(random.normals(320)),
      ),
    "keys far from each other": (random) => random.normals(400 * 8, 1e6),
  };
  for (const [kind, draw] of Object.entries(kinds)) {
    test(subject, `extendGraph() leads to every node of ${kind}`, async (backend) => {
      using scope = new Scope(backend);
      const random = new Random(4);
      const kv = await scope.kv({ ...data(draw(random)), length: 400, kvHeads: 1, dim: 8 });
      const q = random.normals(SHAPE.listRows * 8) as Rows;
      for (const degree of [2, 6]) {
        for (const steps of [[400], [1, 100, 399, 400]]) {
          const graphs = await buildGraph(scope, kv, 0, q, { ...SHAPE, degree, steps });
          assertEquals(reachedNodes(graphs), 400);
          for (let node = 0; node < 400; node++) {
            requireLinks(graphs, node);
            requireWayBack(graphs, node);
          }
        }
      }
    });
  }
  test(
    subject,
    "extendGraph() links nodes to more keys than their searches expand",
    async (backend) => {
      using scope = new Scope(backend);
      const k = new Random(4).normals(400 * 8);
      const kv = await scope.kv({ ...data(k), length: 400, kvHeads: 1, dim: 8 });
      const shape = { ...SHAPE, listRows: 0, width: 1 };
      const graphs = await buildGraph(scope, kv, 0, new Float32Array(8), shape);
      const last = Array.from({ length: 16 }, (_, i) => linksOf(graphs, 384 + i).length);
      assert(last.filter((count) => count > 1).length > 8, `${last}`);
    },
  );
}

function requireLinks(graphs: Graphs, node: number): void {
  const links = linksOf(graphs, node);
  assertEquals(new Set(links).size, links.length);
  assert(!links.includes(node) && links.every((other) => other < 400));
}

/** Parents lead from a node to an entry, by links that there are. */
function requireWayBack(graphs: Graphs, node: number): void {
  for (let steps = 0; !graphs.entries.includes(node); steps++) {
    const parent = graphs.parents[node]!;
    assert(steps < 400 && linksOf(graphs, parent).includes(node), `${node} of ${parent}`);
    node = parent;
  }
}

function qualityCases(subject: Subject): void {
  const [nodes, dim, k] = [3000, 16, 20];
  const shape = { degree: 24, width: 48, entryCount: 4, listRows: 1000, listLength: 16 };
  const found = async (scope: Scope, steps: readonly number[]) => {
    const random = new Random(12);
    const drawn = farQueries(random, nodes, shape.listRows + 100, dim);
    const kv = await scope.kv({ ...data(drawn.k), length: nodes, kvHeads: 1, dim });
    const graphs = await buildGraph(scope, kv, 0, drawn.q, { ...shape, steps });
    const rows = drawn.q.slice(shape.listRows * dim);
    const keys = { kv, start: 0, nodes };
    const search = await searchGraph(scope, keys, graphs, rows, { width: 60, k });
    const range = { start: 0, end: nodes };
    const { keys: wanted } = await scope.backend.indexes.nearestKeys(rows, 0, kv, range, k);
    const scanned = search.scanned.reduce((sum, count) => sum + count, 0) / 100 / nodes;
    return { recall: recall(search.keys, wanted, k), scanned };
  };
  test(
    subject,
    "searchGraph() finds .95 of the best keys of far queries in a quarter of all",
    async (backend) => {
      using scope = new Scope(backend);
      const whole = await found(scope, [nodes]);
      assert(whole.recall >= 0.95 && whole.scanned <= 0.25, JSON.stringify(whole));
    },
  );
  test(
    subject,
    "extendGraph() by as many nodes again loses at most .05 of recall",
    async (backend) => {
      using scope = new Scope(backend);
      const whole = await found(scope, [nodes]);
      const steps = [nodes / 2, 0.75 * nodes, 0.8 * nodes, nodes];
      const extended = await found(scope, steps);
      assert(extended.recall >= whole.recall - 0.05, JSON.stringify({ whole, extended }));
    },
  );
}

function refusalCases(subject: Subject): void {
  test(subject, "extendGraph() refuses nodes that are not built", async (backend) => {
    using scope = new Scope(backend);
    const kv = await scope.kv({
      ...data(new Random(1).normals(400 * 8)),
      length: 400,
      kvHeads: 1,
      dim: 8,
    });
    const q = new Float32Array(8);
    for (const name of ["neighbours", "parents", "entries"] as const) {
      const graphs = await buildGraph(scope, kv, 0, q, { ...SHAPE, listRows: 0, steps: [400] });
      graphs[name][1] = 400;
      const lists = { keys: new Int32Array(), length: 1 };
      const options = { graph: 0, kvHead: 0, built: 400, lists, width: 9 };
      await assertRejects(
        async () =>
          await backend.indexes.extendGraph({ kv, start: 0, nodes: 400 }, graphs, options),
        RangeError,
        name,
      );
    }
  });
  test(
    subject,
    "nearestKeys() and extendGraph() refuse keys and queries that are not finite",
    async (backend) => {
      using scope = new Scope(backend);
      const { indexes } = backend;
      const k = new Random(1).normals(100 * 8);
      const range = { start: 0, end: 100 };
      const good = await scope.kv({ ...data(k), length: 100, kvHeads: 1, dim: 8 });
      const q = new Float32Array(16).fill(NaN, 13, 14);
      await assertRejects(
        async () => await indexes.nearestKeys(q, 0, good, range, 3),
        RangeError,
        "q must be finite",
      );
      const kv = await scope.kv({
        ...data(k.fill(Infinity, 70, 71)),
        length: 100,
        kvHeads: 1,
        dim: 8,
      });
      const zeros = new Float32Array(8);
      await assertRejects(
        async () => await indexes.nearestKeys(zeros, 0, kv, range, 3),
        RangeError,
        "keys must be finite",
      );
      await assertRejects(
        () => buildGraph(scope, kv, 0, zeros, { ...SHAPE, listRows: 0, steps: [100] }),
        RangeError,
        "keys must be finite",
      );
    },
  );
  test(subject, "extendGraph() and searchGraph() end where they are cancelled", async (backend) => {
    using scope = new Scope(backend);
    const { indexes } = backend;
    const control = backend.control();
    control.cancel();
    const k = new Random(1).normals(400 * 8);
    const kv = await scope.kv({ ...data(k), length: 400, kvHeads: 1, dim: 8 });
    const keys = { kv, start: 0, nodes: 400 };
    const lists = { keys: new Int32Array(), length: 1 };
    const graphs = emptyGraph(400, SHAPE);
    const options = { graph: 0, kvHead: 0, built: 0, lists, width: 9 };
    const rows = { q: new Float32Array(8), kvHeadOf: new Int32Array(1) };
    const search = { graphOf: new Int32Array(1), width: 9, k: 9 };
    await assertRejects(
      async () => await indexes.extendGraph(keys, graphs, options, control),
      CancelledError,
    );
    await assertRejects(
      async () => await indexes.searchGraph(rows, keys, graphs, search, control),
      CancelledError,
    );
    await assertRejects(
      async () => await indexes.nearestKeys(rows.q, 0, kv, { start: 0, end: 400 }, 9, control),
      CancelledError,
    );
    await assertRejects(
      async () =>
        await indexes.scoreKeys(
          rows,
          kv,
          { ptr: Int32Array.of(0, 1), keys: Int32Array.of(5) },
          control,
        ),
      CancelledError,
    );
  });
}

async function integerKv(
  scope: Scope,
  random: Random,
  length: number,
  dim: number,
  dtype: KvDType,
): Promise<KvView> {
  const k = random.integers(length * 2 * dim, -2, 2);
  return await scope.kv({ ...data(k), length, kvHeads: 2, dim }, dtype);
}

function data(k: Float32Array): { readonly k: Float32Array; readonly v: Float32Array } {
  return { k, v: new Float32Array(k.length) };
}
