/** encodeFlat4 and searchFlat4: against the reference, and what holds for any keys. */
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
  assertRejects,
} from "@std/assert";
import fc from "fast-check";
import type { Backend } from "../../ffi/backend.ts";
import { CancelledError, ShapeError } from "../../ffi/errors.ts";
import {
  type AskingRows,
  FLAT4_KEYS,
  flat4RecordBytes,
  type IndexedKeys,
} from "../../ffi/index_operations.ts";
import { Random } from "../random.ts";
import {
  anyRows,
  emptyRecords,
  encoded,
  type Flat4Shape,
  flat4Shapes,
  indexedKeys,
  oneRow,
  searchOf,
} from "./flat4_data.ts";
import { recall } from "./graph_fixture.ts";
import { Scope } from "./scope.ts";
import { beside, parity, type Property, property, type Subject, test } from "./subject.ts";
import { assertClose, TOLERANCE } from "./tolerance.ts";

/** Registers the tests that compare with the reference. */
export function flat4Parity(subject: Subject): void {
  recordParity(subject);
  searchParity(subject);
  lseParity(subject);
}

/** Registers the tests that need no other backend. */
export function flat4Contract(subject: Subject): void {
  recordCases(subject);
  searchCases(subject);
  qualityCases(subject);
  refusalCases(subject);
}

function recordParity(subject: Subject): void {
  const kinds = fc.constantFrom<Kind>("normal", "constant", "zeros", "far", "huge", "tiny");
  beside(subject, "encodeFlat4() equals the reference byte by byte", {
    ...{ runs: 40, seed: 21, shapes: fc.tuple(flat4Shapes, kinds) },
    compare: async (tested, reference, seed, [shape, kind]) => {
      const records = async (scope: Scope) => {
        const random = new Random(seed);
        const given = kind === "huge" ? { ...shape, dtype: "f32" as const } : shape;
        return await encoded(scope, await indexedKeys(scope, given, drawing(random, kind)));
      };
      const [actual, wanted] = [await records(tested), await records(reference)];
      const differs = actual.bytes.findIndex((byte, i) => byte !== wanted.bytes[i]);
      assertEquals(differs, -1);
    },
  });
}

type Kind = "normal" | "constant" | "zeros" | "far" | "huge" | "tiny";

/** Keys whose ranges are small beside them, too large for f32, or almost nothing. */
function drawing(random: Random, kind: Kind): (count: number) => Float32Array {
  const normals = (count: number) => random.normals(count);
  const map = (change: (x: number) => number) => (count: number) => normals(count).map(change);
  return {
    normal: normals,
    constant: (count: number) => new Float32Array(count).fill(random.normal()),
    zeros: map((x) => x > 0 ? 0 : -0),
    far: map((x) => 1000 + x / 100),
    huge: map((x) => x > 0 ? 3.4e38 : -3.4e38),
    tiny: map((x) => x * 1e-42),
  }[kind];
}

function searchParity(subject: Subject): void {
  const shapes = fc.tuple(flat4Shapes, fc.constantFrom(1, 7, 700), fc.constantFrom(1, 2, 5, 9));
  // Small integers: exact scores are the same in every order of summation, and many are equal.
  beside(subject, "searchFlat4() with all nodes as candidates finds the reference's nearest keys", {
    ...{ runs: 40, seed: 22, shapes },
    compare: async (tested, reference, seed, [shape, k, count]) => {
      const made = async (scope: Scope) => {
        const random = new Random(seed);
        const draw = (count: number) => random.integers(count, -2, 2);
        const keys = await indexedKeys(scope, shape, draw);
        return { keys, rows: anyRows(random, keys, count, draw) };
      };
      const { keys, rows } = await made(tested);
      const found = await search(tested, keys, rows, k, 700);
      const wanted = await nearest(reference, await made(reference), k);
      assertEquals({ keys: found.keys, scores: found.scores }, wanted);
      assertEquals([...found.scanned], new Array(count).fill(shape.nodes));
    },
  });
}

async function nearest(
  { backend }: Scope,
  { keys, rows }: { readonly keys: IndexedKeys; readonly rows: AskingRows },
  k: number,
) {
  const range = { start: keys.start, end: keys.start + keys.nodes };
  const found = { keys: [] as number[], scores: [] as number[] };
  for (const [r, kvHead] of rows.kvHeadOf.entries()) {
    const row = await backend.indexes.nearestKeys(oneRow(rows, r).q, kvHead, keys.kv, range, k);
    found.keys.push(...row.keys);
    found.scores.push(...row.scores);
  }
  return { keys: Int32Array.from(found.keys), scores: Float32Array.from(found.scores) };
}

function lseParity(subject: Subject): void {
  const lse = (criterion: string, share: number, tolerance: number) =>
    parity(subject, criterion, {
      runs: 25,
      shapes: flat4Shapes,
      tolerance,
      work: async (scope, random, shape) => {
        const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
        const rows = anyRows(random, keys, 5, (count) => random.normals(count));
        const candidates = Math.ceil(share * shape.nodes);
        const found = await search(scope, keys, rows, 1, candidates);
        return [{ name: "lse", values: found.lse!, width: 1, floor: 1 }];
      },
    });
  lse("searchFlat4() has the reference's lse of all scores exact", 1, TOLERANCE.f32);
  // Queries are rounded to 8 bits: some tenths of what keys lose in 4 bits, and most where they are few.
  lse("searchFlat4() has about the reference's lse of scores in 4 bits", 0.1, 5e-2);
}

function recordCases(subject: Subject): void {
  ofFlat4(subject, "encodeFlat4() of later nodes equals encoding at once", {
    runs: 20,
    check: async (scope, random, shape) => {
      const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
      const whole = await encoded(scope, keys);
      const grown = emptyRecords(keys);
      let built = 0;
      for (const nodes of [...random.subset(3, 1, shape.nodes - 1), shape.nodes]) {
        const first = Math.floor(built / FLAT4_KEYS) * FLAT4_KEYS;
        await encoded(scope, { ...keys, nodes }, grown, first);
        built = nodes;
      }
      assertEquals(grown.bytes, whole.bytes);
    },
  });
  test(subject, "encodeFlat4() leaves the records before `first` as they are", async (backend) => {
    using scope = new Scope(backend);
    const random = new Random(3);
    const shape: Flat4Shape = { start: 5, nodes: 600, kvHeads: 2, dim: 20, dtype: "f32" };
    const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
    const [whole, part] = [await encoded(scope, keys), emptyRecords(keys)];
    await encoded(scope, keys, part, FLAT4_KEYS);
    const size = flat4RecordBytes(20);
    for (const head of [0, part.headBytes]) {
      assert(part.bytes.subarray(head, head + size).every((byte) => byte === 0xa5));
      assertEquals(
        part.bytes.subarray(head + size, head + part.headBytes),
        whole.bytes.subarray(head + size, head + part.headBytes),
      );
    }
  });
}

function searchCases(subject: Subject): void {
  ofFlat4(subject, "searchFlat4() gives exact scores in falling order", {
    runs: 20,
    check: async (scope, random, shape) => {
      const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
      const rows = anyRows(random, keys, 1, (count) => random.normals(count));
      const found = await search(scope, keys, rows, 9, 20);
      const some = found.keys.filter((key) => key >= 0);
      assertEquals(some.length, Math.min(9, shape.nodes));
      assertEquals(found.scanned[0], Math.min(20, shape.nodes));
      const listed = { ptr: Int32Array.of(0, some.length), keys: some };
      const exact = await scope.backend.indexes.scoreKeys(rows, keys.kv, listed);
      const row = (values: Float32Array) => ({ name: "scores", values, width: values.length });
      assertClose(row(found.scores.slice(0, some.length)), row(exact), TOLERANCE.f32);
      assertEquals([...found.scores].sort((a, b) => b - a), [...found.scores]);
    },
  });
  ofFlat4(subject, "searchFlat4() gives each row what it gives the row alone", {
    runs: 20,
    check: async (scope, random, shape) => {
      const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
      const rows = anyRows(random, keys, random.integer(2, 12), (count) => random.normals(count));
      const records = await encoded(scope, keys);
      const options = searchOf(5, 9);
      const { indexes } = scope.backend;
      const all = await indexes.searchFlat4(rows, keys, records, options);
      for (const r of rows.kvHeadOf.keys()) {
        const one = await indexes.searchFlat4(oneRow(rows, r), keys, records, options);
        assertEquals(one.keys, all.keys.slice(5 * r, 5 * r + 5));
        assertEquals(one.scores, all.scores.slice(5 * r, 5 * r + 5));
        assertEquals(one.lse![0], all.lse![r]);
      }
    },
  });
  ofFlat4(subject, "searchFlat4() finds nodes only, whatever else the records hold", {
    runs: 15,
    check: async (scope, random, shape) => {
      const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
      const rows = anyRows(random, keys, 3, (count) => random.normals(count));
      const records = await encoded(scope, keys, emptyRecords(keys, 2));
      const fewer = { ...keys, nodes: random.integer(0, shape.nodes) };
      const { keys: found, lse } = await scope.backend.indexes
        .searchFlat4(rows, fewer, records, searchOf(9, 20));
      const end = keys.start + fewer.nodes;
      assert(found.every((key) => key === -1 || (key >= keys.start && key < end)));
      assertEquals(found.filter((key) => key >= 0).length, 3 * Math.min(9, fewer.nodes));
      assertEquals(lse!.every((x) => Number.isFinite(x) === fewer.nodes > 0), true);
    },
  });
  test(
    subject,
    "searchFlat4() pads what it does not find with -1 and -Infinity",
    async (backend) => {
      using scope = new Scope(backend);
      const shape: Flat4Shape = { start: 7, nodes: 1, kvHeads: 1, dim: 4, dtype: "f32" };
      const keys = await indexedKeys(scope, shape, (count) => new Float32Array(count).fill(0.5));
      const rows = { q: Float32Array.of(1, 2, 3, 4), kvHeadOf: new Int32Array(1) };
      const found = await search(scope, keys, rows, 3, 3);
      assertEquals([...found.keys], [7, -1, -1]);
      assertEquals([...found.scores], [5, -Infinity, -Infinity]);
      assertEquals([...found.scanned], [1]);
      assertEquals(found.lse![0], Math.fround(0.3 * 5));
    },
  );
}

function qualityCases(subject: Subject): void {
  test(
    subject,
    "searchFlat4() finds .99 of 50 keys among 100 candidates of 2000 normal keys",
    async (backend) => {
      using scope = new Scope(backend);
      const random = new Random(12);
      const shape: Flat4Shape = { start: 3, nodes: 2000, kvHeads: 2, dim: 64, dtype: "bf16" };
      const keys = await indexedKeys(scope, shape, (count) => random.normals(count));
      const rows = anyRows(random, keys, 20, (count) => random.normals(count));
      const found = await search(scope, keys, rows, 50, 100);
      const wanted = await nearest(scope, { keys, rows }, 50);
      assertGreaterOrEqual(recall(found.keys, wanted.keys, 50), 0.99);
      const { lse } = await search(scope, keys, rows, 50, 2000);
      for (const [r, exact] of lse!.entries()) {
        assertLessOrEqual(Math.abs(found.lse![r]! - exact), 0.05);
      }
    },
  );
  for (const dim of [4, 64, 128, 256, 1024]) {
    test(
      subject,
      `searchFlat4() tells keys at the ends of all ${dim} channels apart`,
      async (backend) => {
        using scope = new Scope(backend);
        const random = new Random(dim);
        const shape: Flat4Shape = { start: 0, nodes: 300, kvHeads: 1, dim, dtype: "f32" };
        const keys = await indexedKeys(scope, shape, (count) => {
          const token = (i: number) => Math.floor(i / dim);
          return random.normals(count, 0.1)
            .map((x, i) => token(i) === 40 ? 2 : token(i) === 41 ? -2 : x);
        });
        const records = await encoded(scope, keys);
        for (const [sign, key] of [[1, 40], [-1, 41]] as const) {
          const rows = { q: new Float32Array(dim).fill(sign), kvHeadOf: new Int32Array(1) };
          const { indexes } = backend;
          const found = await indexes.searchFlat4(rows, keys, records, searchOf(1, 1));
          assertEquals([found.keys[0], found.scores[0]], [key, 2 * dim]);
        }
      },
    );
  }
}

function refusalCases(subject: Subject): void {
  const shape: Flat4Shape = { start: 2, nodes: 300, kvHeads: 2, dim: 8, dtype: "f32" };
  for (const value of [NaN, Infinity, -Infinity]) {
    test(subject, `encodeFlat4() refuses a key of ${value}`, async (backend) => {
      using scope = new Scope(backend);
      const keys = await indexedKeys(scope, shape, (count) => {
        const at = (2 + 299) * 16 + 7; // the last channel of KV head 0's last node
        return new Float32Array(count).fill(value, at, at + 1);
      });
      const { indexes } = backend;
      const records = emptyRecords(keys);
      await assertRejects(
        async () => await indexes.encodeFlat4(keys, 0, 0, records),
        RangeError,
        "keys must be finite",
      );
      await indexes.encodeFlat4(keys, 1, 0, records);
      await indexes.encodeFlat4({ ...keys, nodes: 299 }, 0, 0, records);
    });
  }
  for (const [wrong, error, message, call] of WRONG) {
    test(subject, `${wrong} is a ${error.name}`, async (backend) => {
      using scope = new Scope(backend);
      const keys = await indexedKeys(scope, shape, (count) => new Float32Array(count));
      await assertRejects(async () => await call(backend, keys), error, message);
    });
  }
  test(subject, "encodeFlat4() and searchFlat4() end where they are cancelled", async (backend) => {
    using scope = new Scope(backend);
    const control = backend.control();
    control.cancel();
    const keys = await indexedKeys(scope, shape, (count) => new Float32Array(count));
    const records = await encoded(scope, keys);
    const { indexes } = backend;
    await assertRejects(
      async () => await indexes.encodeFlat4(keys, 0, 0, records, control),
      CancelledError,
    );
    await assertRejects(
      async () => await indexes.searchFlat4(ROWS, keys, records, searchOf(2, 3), control),
      CancelledError,
    );
  });
}

const ROWS: AskingRows = { q: new Float32Array(8), kvHeadOf: new Int32Array(1) };

type Wrong = readonly [
  wrong: string,
  error: typeof RangeError | typeof ShapeError,
  message: string,
  call: (backend: Backend, keys: IndexedKeys) => unknown,
];

const WRONG: readonly Wrong[] = [
  [
    "encodeFlat4() from the middle of a record",
    RangeError,
    "first must be a multiple of 256: current value is 5",
    ({ indexes }, keys) => indexes.encodeFlat4(keys, 0, 5, emptyRecords(keys)),
  ],
  [
    "encodeFlat4() into too little room",
    RangeError,
    "bytes of a KV head must be",
    ({ indexes }, keys) => indexes.encodeFlat4(keys, 0, 0, emptyRecords({ ...keys, nodes: 256 })),
  ],
  [
    "encodeFlat4() of a KV head that is not there",
    RangeError,
    "kvHead must be an integer of 0 to 1: current value is 2",
    ({ indexes }, keys) => indexes.encodeFlat4(keys, 2, 0, emptyRecords(keys)),
  ],
  [
    "searchFlat4() with fewer candidates than k",
    RangeError,
    "candidates must be an integer of 3 to",
    ({ indexes }, keys) => indexes.searchFlat4(ROWS, keys, emptyRecords(keys), searchOf(3, 2)),
  ],
  [
    "searchFlat4() for a KV head that is not there",
    RangeError,
    "kvHeadOf[0] must be in 0 to 1: current value is 2",
    ({ indexes }, keys) => {
      const rows = { ...ROWS, kvHeadOf: Int32Array.of(2) };
      return indexes.searchFlat4(rows, keys, emptyRecords(keys), searchOf(2, 3));
    },
  ],
  [
    "searchFlat4() with a query of another length",
    ShapeError,
    "q must have length 8: current value is 9",
    ({ indexes }, keys) => {
      const rows = { ...ROWS, q: new Float32Array(9) };
      return indexes.searchFlat4(rows, keys, emptyRecords(keys), searchOf(2, 3));
    },
  ],
];

function ofFlat4(
  subject: Subject,
  criterion: string,
  own: Pick<Property<Flat4Shape>, "runs" | "check">,
): void {
  property(subject, criterion, { ...own, seed: 23, shapes: flat4Shapes });
}

async function search(
  scope: Scope,
  keys: IndexedKeys,
  rows: AskingRows,
  k: number,
  candidates: number,
) {
  const options = searchOf(k, Math.max(k, candidates));
  const records = await encoded(scope, keys);
  return await scope.backend.indexes.searchFlat4(rows, keys, records, options);
}
