import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { findCompiler } from "../../ffi/compiler.ts";
import { BackendError, ShapeError } from "../../ffi/errors.ts";
import { KeyIndex, type KeyIndexData } from "../../lib/engine/key_index.ts";
import { farQueries } from "../kernels/graph_fixture.ts";
import { Random } from "../random.ts";

/** Where there is no compiler, the reference is tested. */
const backend = await findCompiler().then(() => "cpu" as const, () => "reference" as const);
const [HEADS, KV_HEADS, DIM, TOKENS] = [4, 2, 16, 300];
const random = new Random(5);
const numbers = (count: number) => Float32Array.from({ length: count }, () => random.normal());
const DATA: KeyIndexData = {
  keys: numbers(TOKENS * KV_HEADS * DIM),
  values: numbers(TOKENS * KV_HEADS * DIM),
  queries: numbers(80 * HEADS * DIM),
  ...{ heads: HEADS, kvHeads: KV_HEADS, dim: DIM },
};
const MORE = numbers(40 * KV_HEADS * DIM);
const Q = numbers(HEADS * DIM);

/** Key indexes of all kinds that can be extended. */
const GROWING = ["exact", "graph", "clusters", "flat4", "pages", "blocks"] as const;

/** Keys by falling `q . k` of one head, the first `tokens` of them, in double precision. */
function ranked(head: number, tokens: number, q = Q): { key: number; score: number }[] {
  const all = Float32Array.of(...DATA.keys, ...MORE);
  const kvHead = Math.floor(head * KV_HEADS / HEADS);
  const scores = Array.from({ length: tokens }, (_, key) => {
    let score = 0;
    for (let i = 0; i < DIM; i++) {
      score += q[head * DIM + i]! * all[(key * KV_HEADS + kvHead) * DIM + i]!;
    }
    return { key, score };
  });
  return scores.sort((a, b) => b.score - a.score);
}

for (const index of [...GROWING, "auto"] as const) {
  Deno.test(`KeyIndex finds all keys where as many are asked for, and appended ones: ${index}`, async () => {
    using keys = await KeyIndex.build(DATA, { index, backend });
    for (const more of [0, 40]) {
      if (more > 0) await keys.append(MORE);
      assertEquals(keys.length, TOKENS + more);
      const found = await keys.search(Q, { topK: 1000 });
      found.forEach(({ indices, scores }, head) => {
        const wanted = ranked(head, TOKENS + more);
        assertEquals([...indices], wanted.map(({ key }) => key));
        scores.forEach((score, i) => assert(Math.abs(score - wanted[i]!.score) < 1e-4));
      });
    }
    assertEquals(keys.stats().keys, TOKENS + 40);
  });

  Deno.test(`a saved KeyIndex answers as before: ${index}`, async () => {
    using keys = await KeyIndex.build(DATA, { index, kv: "bf16", backend });
    await keys.append(MORE);
    const saved = keys.save();
    using again = await KeyIndex.load(saved, { backend });
    using other = await KeyIndex.load(saved, { backend });
    const wanted = await keys.search(Q, { topK: 9 });
    assertEquals(await again.search(Q, { topK: 9 }), wanted);
    // What one takes in is not in the others.
    await again.append(numbers(50 * KV_HEADS * DIM));
    assertEquals(await keys.search(Q, { topK: 9 }), wanted);
    assertEquals(await other.search(Q, { topK: 9 }), wanted);
    await keys.append(MORE);
    await other.append(MORE);
    assertEquals(await other.search(Q, { topK: 9 }), await keys.search(Q, { topK: 9 }));
  });
}

Deno.test("a saved KeyIndex answers as before where int8 has rounded keys once more", async () => {
  for (const index of GROWING) {
    using keys = await KeyIndex.build(DATA, { index, kv: "int8", backend });
    await keys.append(MORE.map((key) => 9 * key));
    using again = await KeyIndex.load(keys.save(), { backend });
    for (let x = 0; x < 20; x++) {
      const q = numbers(HEADS * DIM);
      assertEquals(await again.search(q, { topK: 9 }), await keys.search(q, { topK: 9 }), index);
    }
  }
});

Deno.test("KeyIndex keeps as few keys as hold a mass", async () => {
  using keys = await KeyIndex.build(DATA, { index: "exact", backend });
  const found = await keys.search(Q, { topK: 300, mass: 0.7 });
  found.forEach(({ indices, kept }, head) => {
    const weights = ranked(head, TOKENS).map(({ score }) => Math.exp(score / Math.sqrt(DIM)));
    const whole = weights.reduce((sum, weight) => sum + weight, 0);
    const share = (count: number) =>
      weights.slice(0, count).reduce((sum, weight) => sum + weight, 0) / whole;
    assertEquals(kept!.kind, "exact");
    assert(Math.abs(kept!.mass - share(indices.length)) < 1e-5);
    assert(share(indices.length) >= 0.7 - 1e-6 && share(indices.length - 1) < 0.7);
  });
});

Deno.test("KeyIndex refuses what has another shape, keys that are not finite, and masses that it cannot tell", async () => {
  const short = { ...DATA, keys: DATA.keys.subarray(1) };
  await assertRejects(
    () => KeyIndex.build(short, { backend }),
    ShapeError,
    "length must be a multiple of 32",
  );
  const keys = DATA.keys.slice();
  keys[77] = NaN;
  for (const index of ["graph", "clusters", "flat4"] as const) {
    await assertRejects(
      () => KeyIndex.build({ ...DATA, keys }, { index, backend }),
      RangeError,
      "finite",
    );
  }
  using clusters = await KeyIndex.build(DATA, { index: "clusters", backend });
  await assertRejects(() => clusters.search(Q, { mass: 0.5 }), RangeError, "must be exact, flat4");
  await assertRejects(
    () => clusters.search(Q.subarray(1)),
    ShapeError,
    "q as its length must be 64",
  );
});

Deno.test({
  name: "KeyIndex finds keys appended to a graph as in a fresh one, as they ask as queries do, too",
  ignore: backend === "reference",
  fn: async () => {
    const [count, dim, step] = [3000, 16, 250];
    const { k, q } = farQueries(new Random(7), count, 1000, dim, 1000);
    const shape = { heads: 1, kvHeads: 1, dim, queries: q.slice(60 * dim) };
    using exact = await KeyIndex.build({ ...shape, keys: k }, { index: "exact" });
    const recall = async (keys: KeyIndex) => {
      let found = 0;
      for (let row = 0; row < 60; row++) {
        const asked = q.slice(row * dim, (row + 1) * dim);
        const [[best], [some]] = [
          await exact.search(asked, { topK: 20 }),
          await keys.search(asked, { topK: 20 }),
        ];
        const wanted = new Set(best!.indices);
        found += some!.indices.filter((key) => wanted.has(key)).length;
      }
      return found / 60 / 20;
    };
    const lost = async (keyShare: number) => {
      const sizes = { degree: 16, width: 30, buildWidth: 40, listLength: 16 };
      const index = { kind: "graph", ...sizes, keyShare } as const;
      using fresh = await KeyIndex.build({ ...shape, keys: k }, { index });
      using grown = await KeyIndex.build({ ...shape, keys: k.slice(0, count / 4 * dim) }, {
        index,
      });
      for (let first = count / 4; first < count; first += step) {
        await grown.append(k.slice(first * dim, (first + step) * dim));
      }
      return await recall(fresh) - await recall(grown);
    };
    const [asking, silent] = [await lost(1), await lost(0)];
    assert(asking < 0.02 && silent > 0.05, `${asking} and ${silent}`);
  },
});

Deno.test("KeyIndex builds an index over no keys, queries or not, and takes in the first ones", async () => {
  for (const index of GROWING) {
    using keys = await KeyIndex.build({
      ...DATA,
      keys: new Float32Array(),
      values: new Float32Array(),
    }, {
      index,
      backend,
    });
    assertEquals((await keys.search(Q, { topK: 3 })).map(({ indices }) => [...indices]), [
      [],
      [],
      [],
      [],
    ]);
    await keys.append(DATA.keys, DATA.values);
    const found = await keys.search(Q, { topK: TOKENS });
    assertEquals(found.map(({ indices }) => indices.length), [TOKENS, TOKENS, TOKENS, TOKENS]);
  }
});

Deno.test("searches and appends of a KeyIndex that are started together follow each other", async () => {
  for (const index of GROWING) {
    using keys = await KeyIndex.build(DATA, { index, backend });
    const half = MORE.length / 2;
    const [, before] = await Promise.all([
      keys.append(MORE.slice(0, half)),
      keys.search(Q, { topK: TOKENS + 20 }),
      keys.append(MORE.slice(half)),
    ]);
    assertEquals(before.map(({ indices }) => indices.length), Array(HEADS).fill(TOKENS + 20));
    assertEquals(keys.save().data.keys.subarray(DATA.keys.length), MORE);
    const found = await keys.search(Q, { topK: Infinity });
    found.forEach(({ indices }, head) => {
      assertEquals([...indices], ranked(head, TOKENS + 40).map(({ key }) => key));
    });
  }
});

Deno.test("a KeyIndex that refuses keys stays as it was, and takes in others", async () => {
  const segment = 8192; // of clusters: those of the first one are made before the second is refused
  const dim = 4;
  const all = numbers((100 + segment + 50) * dim);
  for (const index of ["graph", "clusters", "flat4"] as const) {
    const options = { index: index === "graph" ? { kind: index, queryShare: 0 } : index, backend };
    const shape = { heads: 1, kvHeads: 1, dim };
    using keys = await KeyIndex.build({ ...shape, keys: all.slice(0, 100 * dim) }, options);
    const wrong = index === "clusters" ? all.slice(100 * dim) : all.slice(100 * dim, 150 * dim);
    wrong[wrong.length - 1] = NaN;
    await assertRejects(() => keys.append(wrong), RangeError, "finite");
    assertEquals([keys.length, keys.stats().keys], [100, 100]);
    await keys.append(all.slice(-50 * dim));
    const [found] = await keys.search(all.slice(0, dim), { topK: 150 });
    assertEquals(
      [...found!.indices].sort((a, b) => a - b),
      Array.from({ length: 150 }, (_, x) => x),
    );
  }
});

Deno.test("a closed KeyIndex refuses calls, and frees what one reads when that has ended", async () => {
  for (const index of GROWING) {
    const keys = await KeyIndex.build(DATA, { index, backend });
    const [searched, next] = [keys.search(Q, { topK: 3 }), keys.append(MORE)];
    assertThrows(() => keys.save(), BackendError, "calls under way are 2");
    await Promise.resolve(); // the search has begun
    keys.close();
    assertEquals((await searched).map(({ indices }) => indices.length), [3, 3, 3, 3]);
    await assertRejects(() => next, BackendError, "Cannot append keys as the index is closed");
    await assertRejects(() => keys.search(Q), BackendError, "the index is closed");
    assertThrows(() => keys.save(), BackendError, "the index is closed");
    keys.close();
  }
});

Deno.test("KeyIndex refuses heads that KV heads do not divide, and numbers of keys and masses that are none", async () => {
  const queries = numbers(80 * 3 * DIM);
  await assertRejects(
    () => KeyIndex.build({ ...DATA, queries, heads: 3 }, { backend }),
    ShapeError,
    "heads must be a multiple of 2 KV heads",
  );
  using keys = await KeyIndex.build(DATA, { index: "pages", backend });
  for (const topK of [0, -1, 1.5, NaN]) {
    await assertRejects(() => keys.search(Q, { topK }), RangeError, "topK must be a whole number");
  }
  for (const mass of [0, -1, 1.5, NaN]) {
    await assertRejects(() => keys.search(Q, { mass }), RangeError, "mass must be above 0");
  }
});
