/** int8 pages: how far they are from what was appended, and that it does not matter in how many calls. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type KvRows, PAGE_TOKENS } from "../../ffi/backend.ts";
import { roundToBf16 } from "../../kernels/reference/bf16.ts";
import { Random } from "../random.ts";
import { Scope } from "./scope.ts";
import { runsOf, type Subject, test } from "./subject.ts";

const LARGEST_F32 = (2 - 2 ** -23) * 2 ** 127;

interface Tokens {
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly dim: number;
}

const shapes = fc.record({
  seed: fc.nat(),
  tokens: fc.oneof(fc.constantFrom(1, 255, 256, 257), fc.integer({ min: 1, max: 300 })),
  dim: fc.constantFrom(1, 7, 20, 64),
  /** Orders of magnitude that the numbers spread over. */
  spread: fc.constantFrom(0, 1, 3, 30),
});

/** Registers the tests. */
export function int8Cases(subject: Subject): void {
  test(
    subject,
    "append() to int8 pages is off by a scale of a key, half one of a value",
    async (b) => {
      const property = fc.asyncProperty(shapes, async ({ seed, tokens, dim, spread }) => {
        using scope = new Scope(b);
        const data = draw(new Random(seed), tokens, dim, spread);
        const read = await stored(scope, data, [tokens]);
        for (let page = 0; page < tokens; page += PAGE_TOKENS) {
          const end = Math.min(tokens, page + PAGE_TOKENS);
          for (let i = 0; i < dim; i++) {
            const at = Array.from({ length: end - page }, (_, t) => (page + t) * dim + i);
            const scale = scaleOf(at.map((x) => data.k[x]!));
            for (const x of at) assert(Math.abs(read.k[x]! - data.k[x]!) <= scale, `key ${x}`);
          }
        }
        for (let t = 0; t < tokens; t++) {
          const at = Array.from({ length: dim }, (_, i) => t * dim + i);
          const half = scaleOf(at.map((x) => data.v[x]!)) / 2;
          for (const x of at) assert(Math.abs(read.v[x]! - data.v[x]!) <= half, `value ${x}`);
        }
      });
      await fc.assert(property, { seed: 5, numRuns: runsOf(subject, 25) });
    },
  );
  test(subject, "append() to int8 pages gives the same however tokens are cut", async (b) => {
    const property = fc.asyncProperty(shapes, async ({ seed, tokens, dim, spread }) => {
      using scope = new Scope(b);
      const random = new Random(seed);
      const data = draw(random, tokens, dim, spread);
      const cuts: number[] = [];
      for (let left = tokens; left > 0; left -= cuts.at(-1)!) {
        cuts.push(Math.min(left, random.pick([1, 2, 30, 200])));
      }
      assertEquals(await stored(scope, data, cuts), await stored(scope, data, [tokens]));
    });
    await fc.assert(property, { seed: 6, numRuns: runsOf(subject, 25) });
  });
  test(
    subject,
    "int8 pages hold numbers of bf16 and keep them when they are appended again",
    async (b) => {
      const property = fc.asyncProperty(shapes, async ({ seed, tokens, dim, spread }) => {
        using scope = new Scope(b);
        const read = await stored(scope, draw(new Random(seed), tokens, dim, spread), [tokens]);
        assertEquals(roundToBf16(read.k.slice()), read.k);
        assertEquals(await stored(scope, { ...read, dim }, [tokens]), read);
      });
      await fc.assert(property, { seed: 7, numRuns: runsOf(subject, 25) });
    },
  );
  test(
    subject,
    "append() to int8 pages refuses what is not finite and writes nothing",
    async (b) => {
      using scope = new Scope(b);
      const table = scope.table(1, 4, "int8", 8);
      const put = async (...k: number[]) =>
        await b.append(
          table,
          0,
          scope.tensor([1, 1, 4], Float32Array.from(k)),
          scope.tensor([1, 1, 4], Float32Array.from(k)),
          Float32Array.of(9),
        );
      await put(1, 2, 3, 4);
      const before = b.readKv(table, 0, 0, 1);
      for (const bad of [NaN, Infinity, -Infinity]) {
        let message = "";
        await put(5, bad, 6, 7).catch((error) => message = `${error.name}: ${error.message}`);
        assert(/^RangeError: .*must be finite/.test(message), message);
      }
      assertEquals(b.readKv(table, 0, 0, 1), before);
      assertThrows(() => b.page({ dim: 4, dtype: "int4" as "int8" }), Error, "int8");
    },
  );
  test(subject, "int8 pages hold zeros, the least and the largest numbers of f32", async (b) => {
    using scope = new Scope(b);
    const k = Float32Array.of(
      0,
      2 ** -149,
      -(2 ** -126),
      LARGEST_F32,
      0,
      0,
      2 ** -120,
      -LARGEST_F32,
    );
    const read = await stored(scope, { k, v: k, dim: 4 }, [2]);
    assertEquals(
      [...read.k],
      [0, 0, -(2 ** -126), 127 * 2 ** 121, 0, 0, 2 ** -120, -127 * 2 ** 121],
    );
    assertEquals([...read.v.subarray(0, 4)], [0, 0, 0, 127 * 2 ** 121]);
  });
  test(subject, "append() at slot 0 of an int8 page forgets its scales", async (b) => {
    using scope = new Scope(b);
    const table = scope.table(1, 1, "int8", 8);
    const put = async (value: number) => {
      const row = scope.tensor([1, 1, 1], Float32Array.of(value));
      await b.append(table, 0, row, row, Float32Array.of(0));
    };
    await put(1e6);
    await put(0.015625);
    assertEquals(b.readKv(table, 0, 0, 1).k[0], 0.015625);
  });
  test(subject, "copyPage() of an int8 page is independent of it", async (b) => {
    using scope = new Scope(b);
    const spec = { dim: 2, dtype: "int8" } as const;
    const [page, table, copies] = [b.page(spec), b.pageTable(1, spec), b.pageTable(1, spec)];
    table.set(0, 0, scope.keep(page));
    const put = async (to: typeof table, at: number, value: number) => {
      const row = scope.tensor([1, 1, 2], Float32Array.of(value, -value));
      await b.append(to, at, row, row, Float32Array.of(at));
    };
    await put(table, 0, 0.7);
    const before = b.readKv(table, 0, 0, 1);
    copies.set(0, 0, scope.keep(b.copyPage(page, spec)));
    assertEquals(b.readKv(copies, 0, 0, 1), before);
    await put(copies, 1, 1000);
    assertEquals(b.readKv(table, 0, 0, 1), before);
    assertEquals([...b.readKv(copies, 0, 0, 1).k], [0, 0]);
  });
}

function draw(random: Random, tokens: number, dim: number, spread: number): Tokens {
  const numbers = () => {
    const exponents = random.normals(tokens * dim, spread / 4);
    return random.normals(tokens * dim).map((x, i) => x * 10 ** exponents[i]!);
  };
  return { k: numbers(), v: numbers(), dim };
}

/** What is read after appending the tokens in calls of so many. */
async function stored(
  scope: Scope,
  { k, v, dim }: Tokens,
  cuts: readonly number[],
): Promise<KvRows> {
  const tokens = k.length / dim;
  const table = scope.table(1, dim, "int8", tokens);
  let start = 0;
  for (const count of cuts) {
    const part = (values: Float32Array) =>
      scope.tensor([count, 1, dim], values.slice(start * dim, (start + count) * dim));
    await scope.backend.append(table, start, part(k), part(v), new Float32Array(count));
    start += count;
  }
  return scope.backend.readKv(table, 0, 0, tokens);
}

/** The least power of two of which no number is more than 127, from 2^-126 to 2^121. */
function scaleOf(values: readonly number[]): number {
  const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  if (largest === 0) return 0;
  const exponent = Math.ceil(Math.log2(largest / 127));
  return 2 ** Math.min(121, Math.max(-126, exponent));
}
