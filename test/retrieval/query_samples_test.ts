import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { QuerySamples } from "../../lib/retrieval/query_samples.ts";

const backend = openReferenceBackend();

/** Adds queries of tokens `start .. end-1`: each is its position. */
function add(samples: QuerySamples, start: number, end: number): void {
  const positions = Float32Array.from({ length: end - start }, (_, row) => start + row);
  const q = backend.tensor([end - start, 1, 1], "f32", positions);
  samples.add(q, start);
  q.close();
}

/** The positions that are kept of texts `[start, end)`, added one after the other. */
function kept(most: number, parts: readonly (readonly [start: number, end: number])[]): number[] {
  const samples = new QuerySamples(most);
  for (const [start, end] of parts) add(samples, start, end);
  return [...samples.head(0)];
}

Deno.test("QuerySamples keeps the same queries however a text is cut", () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 199 }), { maxLength: 6 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), cuts, (most, cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), 200];
      const whole = kept(most, [[0, 200]]);
      assertEquals(kept(most, ends.map((end, i) => [ends[i - 1] ?? 0, end])), whole);
      assert(2 * whole.length >= most, `${whole.length} of ${most} are kept`);
      whole.forEach((position, i) => assertEquals(position, i * (whole[1] ?? 0)));
    }),
    { seed: 1 },
  );
});

Deno.test("QuerySamples never keeps more than it was told, with gaps between texts, too", () => {
  const gaps = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), gaps, (most, gaps) => {
      let end = 0;
      const parts = gaps.map(([gap, length]): [number, number] => {
        const start = end + gap;
        end = start + length;
        return [start, end];
      });
      assert(kept(most, parts).length <= most);
    }),
    { seed: 1 },
  );
});

Deno.test("QuerySamples that were saved go on as if they had not been", () => {
  const samples = new QuerySamples(10);
  add(samples, 0, 90);
  const again = QuerySamples.load(10, 1, structuredClone(samples.save(Infinity)));
  for (const some of [samples, again]) add(some, 95, 200);
  assertEquals(again.head(0), samples.head(0));
  assertEquals([...QuerySamples.load(10, 1, samples.save(70)).head(0)], [0, 32, 64]);
});

Deno.test("QuerySamples keeps no more of saved queries than it was told", () => {
  const samples = new QuerySamples(10);
  add(samples, 0, 90);
  for (const most of [4, 0]) {
    const fewer = QuerySamples.load(most, 1, samples.save(90));
    add(fewer, 90, 200);
    assertEquals([...fewer.head(0)], kept(most, [[0, 200]]));
  }
});

Deno.test("QuerySamples refuses positions that it would not have kept", () => {
  const row = new Float32Array(1);
  for (const positions of [[0, 12], [8, 8], [16, 8], [-8, 0]]) {
    const saved = { stride: 8, positions, rows: positions.map(() => row) };
    assertThrows(() => QuerySamples.load(10, 1, saved), RangeError, "rising multiples of 8");
  }
});
