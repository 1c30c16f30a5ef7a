/** clusterKeys, searchClusters and clusterTail: against the reference, and what holds for any clusters. */
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
  assertRejects,
} from "@std/assert";
import fc from "fast-check";
import type { Backend } from "../../ffi/backend.ts";
import { CancelledError } from "../../ffi/errors.ts";
import type {
  AskingRows,
  Clusters,
  FoundKeys,
  HostAttention,
  IndexedKeys,
  ListedKeys,
} from "../../ffi/index_operations.ts";
import { Random } from "../random.ts";
import {
  apartKeys,
  askingRows,
  chanceCase,
  chanceListed,
  clusteredKeys,
  type ClusterShape,
  clusterShapes,
  integers,
  listedKeys,
  madeClusters,
  membersOf,
  normals,
  partOf,
  sumsOf,
} from "./cluster_data.ts";
import { Scope } from "./scope.ts";
import { beside, parity, type Property, property, type Subject, test } from "./subject.ts";
import { assertClose, type Outcome, TOLERANCE } from "./tolerance.ts";

const SCALE = 0.3;
/** In the first pass cluster 1 of 4 loses all keys; in the second, the fifth key comes back to its centre. */
const WON_BACK = [
  ...[[3, 4, 3], [-1, 4, 2], [0, -6, 6], [-5, 0, -6], [0, -5, -3]],
  ...[[4, 6, 1], [-5, -1, -6], [3, -6, 5], [-1, 3, 4], [-3, 3, -2]],
];

/** Registers the tests that compare with the reference. */
export function clusterParity(subject: Subject): void {
  madeParity(subject);
  searchParity(subject);
  parity(subject, "clusterTail() equals the reference", {
    runs: 40,
    shapes: clusterShapes,
    tolerance: TOLERANCE.f32,
    work: async (scope, random, shape) => {
      const { keys, clusters, rows } = await chanceCase(scope, random, shape, normals);
      const listed = chanceListed(random, keys, clusters, rows);
      const { indexes } = scope.backend;
      return outcomes(await indexes.clusterTail(rows, keys, clusters, listed, SCALE), shape.dim);
    },
  });
}

/** Registers the tests that need no other backend. */
export function clusterContract(subject: Subject): void {
  madeCases(subject);
  searchCases(subject);
  tailCases(subject);
  refusalCases(subject);
}

function madeParity(subject: Subject): void {
  parity(subject, "clusterKeys() equals the reference on keys that lie apart", {
    runs: 15,
    shapes: clusterShapes.map((shape) => ({ ...shape, dim: Math.max(20, shape.dim) })),
    tolerance: TOLERANCE.f32,
    work: async (scope, random, shape) => {
      const { keys, count, truth } = await apartKeys(scope, random, shape);
      const clusters = await madeClusters(scope, keys, count, 3);
      assertEquals([...clusters.clusterOf], truth);
      return [
        { name: "centroids", values: clusters.centroids, width: shape.dim },
        { name: "value sums", values: clusters.valueSums, width: shape.dim, floor: 10 },
      ];
    },
  });
  beside(subject, "clusterKeys() equals the reference on random keys but where two centres tie", {
    runs: 25,
    seed: 2,
    shapes: clusterShapes.map((shape) => ({ ...shape, dim: 3, dtype: "f32" as const })),
    compare: async (tested, reference, seed, shape) => {
      const make = async (scope: Scope) => {
        const keys = await clusteredKeys(scope, new Random(seed), shape, normals);
        return (await madeClusters(scope, keys, shape.count, 4)).clusterOf;
      };
      const wanted = await make(reference);
      const differing = (await make(tested)).filter((c, i) => c !== wanted[i]).length;
      assertLessOrEqual(differing, 0.01 * wanted.length);
    },
  });
}

function searchParity(subject: Subject): void {
  const shapes = fc.tuple(
    clusterShapes,
    fc.constantFrom(0, 0.05, 0.5, 1),
    fc.constantFrom(1, 7, 300),
  );
  beside(subject, "searchClusters() equals the reference, equal scores by lower key", {
    ...{ runs: 40, seed: 11, shapes },
    compare: async (tested, reference, seed, [shape, share, k]) => {
      const budget = Math.max(1, Math.round(share * shape.nodes));
      const find = async (scope: Scope) => {
        const random = new Random(seed);
        const { keys, clusters, rows } = await chanceCase(scope, random, shape, integers);
        clusters.centroids.set(integers(random, clusters.centroids.length));
        return await search(scope.backend, keys, clusters, rows, budget, k);
      };
      assertEquals(await find(tested), await find(reference));
    },
  });
}

function madeCases(subject: Subject): void {
  ofClusters(subject, "clusterKeys() puts each key into one cluster, with its mean and sum", {
    runs: 20,
    check: async (scope, random, shape) => {
      const keys = await clusteredKeys(scope, random, shape, normals);
      const clusters = await madeClusters(scope, keys, shape.count, random.integer(0, 3));
      for (let kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
        const { centroids, valueSums, sizes, clusterOf } = partOf(clusters, kvHead, keys);
        const counted = new Int32Array(shape.count);
        for (const c of clusterOf) counted[c]!++;
        assertEquals(sizes, counted);
        const { k, v } = scope.backend.readKv(keys.kv.table, kvHead, shape.start, shape.nodes);
        const row = (values: ArrayLike<number>) => ({
          name: "row",
          values: Float32Array.from(values),
          width: shape.dim,
          floor: 1,
        });
        assertClose(row(centroids), row(sumsOf(k, clusterOf, sizes, true)), 1e-6);
        assertClose(row(valueSums), row(sumsOf(v, clusterOf, sizes, false)), 1e-6);
      }
    },
  });
  ofClusters(
    subject,
    "clusterKeys() lets keys join the best of evenly spaced ones without a pass",
    {
      runs: 20,
      check: async (scope, random, shape) => {
        const keys = await clusteredKeys(scope, random, shape, normals);
        const { clusterOf } = partOf(await madeClusters(scope, keys, shape.count, 0), 0, keys);
        const products = firstProducts(scope, keys, shape.count);
        for (const [node, c] of clusterOf.entries()) {
          assertGreaterOrEqual(products[node]![c]!, Math.max(...products[node]!) - 1e-4);
        }
      },
    },
  );
  test(subject, "clusterKeys() gathers keys closer with each pass", async (backend) => {
    using scope = new Scope(backend);
    const shape = { start: 5, nodes: 600, kvHeads: 1, dim: 32, dtype: "f32" } as const;
    const keys = await clusteredKeys(scope, new Random(4), shape, normals);
    let before = 0;
    for (const iterations of [0, 1, 2, 4, 8]) {
      const now = closeness(scope, keys, await madeClusters(scope, keys, 20, iterations));
      assertGreaterOrEqual(now, before - 1e-3);
      before = now;
    }
  });
  test(
    subject,
    "clusterKeys() puts equal keys, and keys of zero, into the first cluster",
    async (backend) => {
      for (const value of [0, 1.5]) {
        using scope = new Scope(backend);
        const [length, dim] = [70, 20];
        const k = new Float32Array(length * dim).fill(value);
        const kv = await scope.kv({ k, v: k, length, kvHeads: 1, dim });
        const clusters = await madeClusters(scope, { kv, start: 0, nodes: length }, 17, 4);
        assertEquals([...clusters.sizes], [length, ...Array.from({ length: 16 }, () => 0)]);
        assertEquals([...clusters.centroids.subarray(0, dim)], [...k.subarray(0, dim)]);
        assert(clusters.centroids.subarray(dim).every((x) => x === 0));
      }
    },
  );
  test(subject, "clusterKeys() gives keys between equal centres to the lowest", async (backend) => {
    using scope = new Scope(backend);
    const [length, dim] = [80, 20];
    const k = Float32Array.from({ length: length * dim }, (_, i) => i < 3 * dim ? 1 : i % dim);
    const kv = await scope.kv({ k, v: k, length, kvHeads: 1, dim });
    const { sizes } = await madeClusters(scope, { kv, start: 0, nodes: length }, 40, 0);
    assertEquals([...sizes], [3, 0, length - 3, ...Array.from({ length: 37 }, () => 0)]);
  });
  test(
    subject,
    "clusterKeys() keeps the centre of a cluster that loses all keys",
    async (backend) => {
      using scope = new Scope(backend);
      const k = Float32Array.from(WON_BACK.flat());
      const kv = await scope.kv({ k, v: k, length: WON_BACK.length, kvHeads: 1, dim: 3 });
      const keys = { kv, start: 0, nodes: WON_BACK.length };
      assertEquals([...(await madeClusters(scope, keys, 4, 1)).sizes], [4, 0, 3, 3]);
      const { clusterOf } = await madeClusters(scope, keys, 4, 2);
      assertEquals([...clusterOf], [0, 0, 3, 2, 1, 0, 2, 3, 0, 2]);
    },
  );
  test(subject, "clusterKeys() of no keys leaves all clusters empty", async (backend) => {
    using scope = new Scope(backend);
    const shape = { start: 3, nodes: 0, kvHeads: 1, dim: 8, dtype: "f32" } as const;
    const keys = await clusteredKeys(scope, new Random(1), shape, normals);
    const { centroids, valueSums, sizes } = await madeClusters(scope, keys, 3, 2);
    assertEquals([...sizes], [0, 0, 0]);
    assert([...centroids, ...valueSums].every((x) => x === 0));
  });
}

function searchCases(subject: Subject): void {
  ofClusters(subject, "searchClusters() finds the best of all keys where all clusters are opened", {
    runs: 15,
    check: async (scope, random, shape) => {
      const { keys, clusters, rows } = await chanceCase(scope, random, shape, integers);
      const found = await search(scope.backend, keys, clusters, rows, shape.nodes, 10);
      const { start, kv: { table } } = keys;
      for (const [r, kvHead] of rows.kvHeadOf.entries()) {
        const { k } = scope.backend.readKv(table, kvHead, start, shape.nodes);
        const q = rows.q.subarray(r * shape.dim, (r + 1) * shape.dim);
        const best = Array.from(k).length === 0 ? [] : bestKeys(q, k, start).slice(0, 10);
        const own = [...found.keys.subarray(r * 10, (r + 1) * 10)];
        assertEquals(own, [...best, ...Array.from({ length: 10 - best.length }, () => -1)]);
        const opened = partOf(clusters, kvHead, keys).sizes.filter((size) => size > 0).length;
        assert(opened > 0);
        assertEquals(found.scanned[r], shape.count + shape.nodes);
      }
    },
  });
  ofClusters(subject, "searchClusters() finds the same for rows together and alone", {
    runs: 15,
    check: async (scope, random, shape) => {
      const { keys, clusters, rows } = await chanceCase(scope, random, shape, integers);
      clusters.centroids.set(integers(random, clusters.centroids.length));
      const budget = Math.ceil(shape.nodes / 4);
      const together = await search(scope.backend, keys, clusters, rows, budget, 5);
      for (const [r, one] of singleRows(rows, shape.dim).entries()) {
        const alone = await search(scope.backend, keys, clusters, one, budget, 5);
        assertEquals(alone.keys, together.keys.slice(r * 5, (r + 1) * 5));
        assertEquals(alone.scanned[0], together.scanned[r]);
      }
    },
  });
}

function tailCases(subject: Subject): void {
  ofClusters(subject, "clusterTail() is no more than the attention of its keys (Jensen)", {
    runs: 20,
    check: async (scope, random, shape) => {
      const { keys, clusters, rows } = await chanceCase(scope, random, shape, normals);
      const none = listedKeys(Array.from(rows.kvHeadOf, () => []));
      const { lse } = await tail(scope.backend, keys, clusters, rows, none);
      const whole = await exact(scope, keys, rows, none);
      for (const [r, bound] of whole.lse.entries()) {
        assertLessOrEqual(lse[r]!, bound + 1e-5 * Math.max(1, Math.abs(bound)));
      }
    },
  });
  ofClusters(subject, "clusterTail() of one key a cluster is the attention of the others", {
    runs: 20,
    check: async (scope, random, shape) => {
      const keys = await clusteredKeys(scope, random, shape, normals);
      const clusters = await madeClusters(scope, keys, shape.nodes, 0);
      if (clusters.sizes.some((size) => size !== 1)) return; // keys of one direction, as with dim 1
      const rows = askingRows(random, shape, normals);
      const listed = chanceListed(random, keys, clusters, rows);
      const estimated = outcomes(
        await tail(scope.backend, keys, clusters, rows, listed),
        shape.dim,
      );
      const wanted = outcomes(await exact(scope, keys, rows, listed), shape.dim);
      estimated.forEach((outcome, i) => assertClose(outcome, wanted[i]!, TOLERANCE.f32));
    },
  });
  ofClusters(subject, "clusterTail() joins with the listed keys to the weights of all", {
    runs: 15,
    check: async (scope, random, shape) => {
      const { keys, clusters, rows } = await chanceCase(scope, random, shape, normals);
      // Keys that equal their clusters' means are estimated exactly, however many are listed.
      await moveToMeans(scope, keys, clusters);
      const listed = chanceListed(random, keys, clusters, rows);
      const rest = await tail(scope.backend, keys, clusters, rows, listed);
      const all = await exact(scope, keys, rows, listedKeys(Array.from(rows.kvHeadOf, () => [])));
      const some = await exact(scope, keys, rows, complement(listed, keys, rows));
      const joined = outcomes(merged(rest, some, shape.dim), shape.dim);
      outcomes(all, shape.dim).forEach((wanted, i) => assertClose(joined[i]!, wanted, 2e-5));
    },
  });
  ofClusters(subject, "clusterTail() is empty where all keys are listed", {
    runs: 10,
    check: async (scope, random, shape) => {
      const { keys, clusters, rows } = await chanceCase(scope, random, shape, normals);
      const all = Array.from({ length: keys.nodes }, (_, node) => keys.start + node);
      const listed = listedKeys(Array.from(rows.kvHeadOf, () => all));
      const { out, lse } = await tail(scope.backend, keys, clusters, rows, listed);
      assert(out.every((x) => x === 0));
      assert(lse.every((x) => x === -Infinity));
    },
  });
  ofClusters(subject, "clusterTail() is the same for rows together and alone", {
    runs: 10,
    check: async (scope, random, shape) => {
      const { keys, clusters, rows } = await chanceCase(scope, random, shape, normals);
      const listed = chanceListed(random, keys, clusters, rows);
      const together = outcomes(await tail(scope.backend, keys, clusters, rows, listed), shape.dim);
      const alone = {
        out: new Float32Array(rows.q.length),
        lse: new Float32Array(rows.kvHeadOf.length),
      };
      for (const [r, one] of singleRows(rows, shape.dim).entries()) {
        const own = listed.keys.slice(listed.ptr[r]!, listed.ptr[r + 1]!);
        const { out, lse } = await tail(scope.backend, keys, clusters, one, listedKeys([[...own]]));
        alone.out.set(out, r * shape.dim);
        alone.lse.set(lse, r);
      }
      outcomes(alone, shape.dim).forEach((x, i) => assertClose(x, together[i]!, TOLERANCE.f32));
    },
  });
}

function refusalCases(subject: Subject): void {
  const shape = {
    start: 2,
    nodes: 300,
    kvHeads: 1,
    group: 1,
    count: 9,
    dim: 20,
    dtype: "f32",
  } as const;
  test(subject, "clusterKeys() refuses keys that are not finite", async (backend) => {
    for (const wrong of [NaN, Infinity, -Infinity]) {
      using scope = new Scope(backend);
      const [length, dim] = [300, 8];
      const k = new Random(1).normals(length * dim);
      k[290 * dim + 3] = wrong;
      const kv = await scope.kv({ k, v: new Float32Array(k.length), length, kvHeads: 1, dim });
      await madeClusters(scope, { kv, start: 1, nodes: 289 }, 4, 2);
      const making = () => madeClusters(scope, { kv, start: 1, nodes: 290 }, 4, 2);
      await assertRejects(making, RangeError, "finite");
    }
  });
  test(subject, "clusterTail() refuses keys that no node is", async (backend) => {
    using scope = new Scope(backend);
    const { keys, clusters, rows } = await chanceCase(scope, new Random(1), shape, normals);
    for (const key of [shape.start - 1, shape.start + shape.nodes]) {
      const asking = async () => await tail(backend, keys, clusters, rows, listedKeys([[key]]));
      await assertRejects(asking, RangeError);
    }
  });
  test(
    subject,
    "cancel() before a call about clusters makes it throw CancelledError",
    async (backend) => {
      using scope = new Scope(backend);
      const { keys, clusters, rows } = await chanceCase(scope, new Random(1), shape, normals);
      const control = backend.control();
      control.cancel();
      const { indexes } = backend;
      const range = { kvHead: 0, start: keys.start, end: keys.start + keys.nodes, iterations: 2 };
      const calls = [
        () => indexes.clusterKeys(keys.kv, range, partOf(clusters, 0, keys), control),
        () =>
          indexes.searchClusters(
            ...[rows, keys, clusters, membersOf(clusters, keys)] as const,
            { budget: 9, k: 3 },
            control,
          ),
        () => indexes.clusterTail(rows, keys, clusters, listedKeys([[]]), SCALE, control),
      ];
      for (const call of calls) await assertRejects(async () => await call(), CancelledError);
    },
  );
}

function ofClusters(
  subject: Subject,
  criterion: string,
  own: Pick<Property<ClusterShape>, "runs" | "check">,
): void {
  property(subject, criterion, { ...own, seed: 5, shapes: clusterShapes });
}

async function search(
  { indexes }: Backend,
  keys: IndexedKeys,
  clusters: Clusters,
  rows: AskingRows,
  budget: number,
  k: number,
): Promise<FoundKeys> {
  const members = membersOf(clusters, keys);
  return await indexes.searchClusters(rows, keys, clusters, members, { budget, k });
}

async function tail(
  { indexes }: Backend,
  keys: IndexedKeys,
  clusters: Clusters,
  rows: AskingRows,
  listed: ListedKeys,
): Promise<HostAttention> {
  return await indexes.clusterTail(rows, keys, clusters, listed, SCALE);
}

/** Attention of each row over the nodes' keys but the listed ones. */
async function exact(
  scope: Scope,
  { kv, start, nodes }: IndexedKeys,
  { q, kvHeadOf }: AskingRows,
  { ptr, keys }: ListedKeys,
): Promise<HostAttention> {
  const { kvHeads, spec: { dim } } = kv.table;
  const heads = kvHeadOf.length;
  assertEquals([...kvHeadOf], Array.from(kvHeadOf, (_, r) => Math.floor(r * kvHeads / heads)));
  const plans = Array.from(kvHeadOf, (_, r) => {
    const out = new Set(keys.subarray(ptr[r]!, ptr[r + 1]!));
    const all = Array.from({ length: nodes }, (_, node) => start + node);
    return {
      ranges: new Int32Array(),
      indices: Int32Array.from(all.filter((key) => !out.has(key))),
    };
  });
  const into = { out: scope.tensor([1, heads, dim]), lse: scope.tensor([1, heads]) };
  await scope.backend.attendKeys(scope.tensor([1, heads, dim], q), SCALE, kv, plans, into);
  return { out: Float32Array.from(into.out.read()), lse: Float32Array.from(into.lse.read()) };
}

/** The nodes' keys that each row has not listed. */
function complement(
  { ptr, keys }: ListedKeys,
  { start, nodes }: IndexedKeys,
  rows: AskingRows,
): ListedKeys {
  const all = Array.from({ length: nodes }, (_, node) => start + node);
  return listedKeys(Array.from(rows.kvHeadOf, (_, r) => {
    const out = new Set(keys.subarray(ptr[r]!, ptr[r + 1]!));
    return all.filter((key) => !out.has(key));
  }));
}

/** Attention over two sets of keys that share none. */
function merged(a: HostAttention, b: HostAttention, dim: number): HostAttention {
  const lse = a.lse.map((x, r) => {
    const largest = Math.max(x, b.lse[r]!);
    return largest + Math.log(Math.exp(x - largest) + Math.exp(b.lse[r]! - largest));
  });
  const out = a.out.map((x, i) => {
    const r = Math.floor(i / dim);
    return Math.exp(a.lse[r]! - lse[r]!) * x + Math.exp(b.lse[r]! - lse[r]!) * b.out[i]!;
  });
  return { out, lse };
}

/** Gives each node the mean of its cluster as key, in the pages and as centroids. */
async function moveToMeans(scope: Scope, keys: IndexedKeys, clusters: Clusters): Promise<void> {
  const { kv: { table }, start, nodes } = keys;
  const { kvHeads, spec: { dim } } = table;
  const [k, v] = [new Float32Array(nodes * kvHeads * dim), new Float32Array(nodes * kvHeads * dim)];
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    const { centroids, clusterOf } = partOf(clusters, kvHead, keys);
    centroids.set(centroids.map((x) => Math.round(4 * x) / 4));
    const values = scope.backend.readKv(table, kvHead, start, nodes).v;
    for (const [node, c] of clusterOf.entries()) {
      const row = (node * kvHeads + kvHead) * dim;
      k.set(centroids.subarray(c * dim, (c + 1) * dim), row);
      v.set(values.subarray(node * dim, (node + 1) * dim), row);
    }
  }
  const rows = (data: Float32Array) => scope.tensor([nodes, kvHeads, dim], data);
  const positions = new Float32Array(nodes);
  await scope.backend.append(table, start, rows(k), rows(v), positions);
}

function singleRows({ q, kvHeadOf }: AskingRows, dim: number): AskingRows[] {
  return Array.from(kvHeadOf, (kvHead, r) => ({
    q: q.slice(r * dim, (r + 1) * dim),
    kvHeadOf: Int32Array.of(kvHead),
  }));
}

/** All keys in falling order of their scores, of equal ones the lower first. */
function bestKeys(q: Float32Array, k: Float32Array, start: number): number[] {
  const dim = q.length;
  const scores = Array.from({ length: k.length / dim }, (_, j) => product(q, k, j * dim));
  const order = scores.map((_, j) => j).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.map((j) => start + j);
}

/** Products of each centred key of KV head 0 with the directions of `count` evenly spaced ones. */
function firstProducts({ backend }: Scope, keys: IndexedKeys, count: number): number[][] {
  const rows = centredKeys(backend, keys);
  const centres = Array.from({ length: count }, (_, c) => {
    const row = rows[Math.floor(c * rows.length / count)]!;
    const length = Math.hypot(...row);
    return row.map((x) => length === 0 ? 0 : x / length);
  });
  return rows.map((row) => centres.map((centre) => product(centre, row, 0)));
}

/** Sum of the products of keys with their clusters' directions: what spherical k-means raises. */
function closeness({ backend }: Scope, keys: IndexedKeys, clusters: Clusters): number {
  const rows = centredKeys(backend, keys);
  const { sizes, clusterOf } = partOf(clusters, 0, keys);
  const { dim } = keys.kv.table.spec;
  const sums = sumsOf(Float32Array.from(rows.flatMap((row) => [...row])), clusterOf, sizes, false);
  return sizes.reduce((sum, _, c) => sum + Math.hypot(...sums.subarray(c * dim, (c + 1) * dim)), 0);
}

function centredKeys(
  backend: Backend,
  { kv: { table }, start, nodes }: IndexedKeys,
): Float64Array[] {
  const { k } = backend.readKv(table, 0, start, nodes);
  const { dim } = table.spec;
  const mean = sumsOf(k, new Int32Array(nodes), Int32Array.of(nodes), true);
  return Array.from(
    { length: nodes },
    (_, j) => Float64Array.from(k.subarray(j * dim, (j + 1) * dim), (x, i) => x - mean[i]!),
  );
}

function product(q: ArrayLike<number>, rows: ArrayLike<number>, first: number): number {
  return Array.from(q).reduce((sum, x, i) => sum + x * rows[first + i]!, 0);
}

/** Values of a mean are about 1; parts of opposite sign may cancel. */
function outcomes({ out, lse }: HostAttention, dim: number): Outcome[] {
  return [
    { name: "out", values: out, width: dim, floor: 1 },
    { name: "lse", values: lse, width: 1, floor: 1 },
  ];
}
