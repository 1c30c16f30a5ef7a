import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import type { KeyPlan, TilePlan } from "../../ffi/backend.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import type { BenchCase } from "../../lib/bench/bench_case.ts";
import { casesOf, filtered, nameOf } from "../../lib/bench/cases.ts";
import { RandomRows } from "../../lib/bench/random_rows.ts";
import { DEFAULT_SIZES, FULL_SIZES } from "../../lib/bench/sizes.ts";
import { nativeBackend, TINY_SIZES, watched } from "./tiny.ts";

const native = await nativeBackend();

/** Query-key pairs of a tile plan, counted one by one. */
function tilePairs(plan: TilePlan, tokens: number): number {
  let pairs = 0;
  for (let row = 0; row < tokens; row++) {
    const tile = Math.floor(row / plan.tileQ);
    for (let t = plan.rowPtr[tile]!; t < plan.rowPtr[tile + 1]!; t++) {
      for (let c = 0; c < plan.tileK; c++) if (sees(plan, t, c, row)) pairs++;
    }
    pairs += plan.colPtr[tile + 1]! - plan.colPtr[tile]!;
  }
  return pairs;
}

function sees(
  { keyStart, kind, masks, tileQ, tileK }: TilePlan,
  t: number,
  c: number,
  row: number,
) {
  const key = keyStart[t]! + c;
  if (kind[t] === 0) return true;
  if (kind[t] === 1) return key <= row;
  const word = ((kind[t]! - 2) * tileQ + row % tileQ) * tileK / 32 + (c >> 5);
  return (masks[word]! >> (c & 31) & 1) === 1;
}

function keysOf({ ranges, indices }: KeyPlan): number[] {
  const keys = [...indices];
  for (let i = 0; i < ranges.length; i += 2) {
    for (let key = ranges[i]!; key < ranges[i + 1]!; key++) keys.push(key);
  }
  return keys;
}

function tiny(kernel: string): BenchCase[] {
  return casesOf(TINY_SIZES).filter((one) => one.kernel === kernel);
}

async function open(one: BenchCase) {
  const { backend, seen } = watched(openReferenceBackend());
  const opened = await one.open({ backend, data: new RandomRows(1) });
  return { backend, seen, opened, control: backend.control() };
}

Deno.test("casesOf() names every case differently and says which kernel it is", () => {
  for (const sizes of [DEFAULT_SIZES, FULL_SIZES, TINY_SIZES]) {
    const names = casesOf(sizes).map(nameOf);
    assertEquals(new Set(names).size, names.length);
  }
});

Deno.test("a usual run stays at 16K tokens, heads of 64 and 128, groups of 1 and 4; --full goes further", () => {
  const attention = casesOf(DEFAULT_SIZES).filter(({ kernel }) => !kernel.startsWith("linear"));
  const groups = attention.map(({ heads, kvHeads }) => heads / kvHeads);
  assertEquals(Math.max(...attention.map(({ tokens }) => tokens)), 16384);
  assertEquals([...new Set(attention.map(({ dim }) => dim))], [64, 128]);
  assertEquals([...new Set(groups)].sort(), [1, 4]);
  const full = casesOf(FULL_SIZES);
  assertEquals(Math.max(...full.map(({ tokens }) => tokens)), 131072);
  assertEquals(Math.max(...full.map(({ dim }) => dim)), 256);
  assertEquals(Math.max(...full.map(({ heads, kvHeads }) => heads / kvHeads)), 8);
});

Deno.test("peers are given dense attention of the lengths that are compared, with the shape of the case", () => {
  const asked = casesOf(TINY_SIZES).filter(({ peers }) => peers !== null);
  for (const { kernel, tokens, heads, kvHeads, dim, peers } of asked) {
    const kind = kernel === "dense prefill" ? "prefill" : "decode";
    assertEquals(peers, { kind, tokens, heads, kvHeads, dim });
    assertEquals(TINY_SIZES.compared[kind].includes(tokens), true);
  }
  assertEquals(new Set(asked.map(({ kernel }) => kernel)).size, 2);
});

Deno.test("a usual run has a bf16 cache of more than a gigabyte", () => {
  const large = casesOf(DEFAULT_SIZES).filter(({ kernel, trafficBytes }) =>
    kernel === "dense decode" && trafficBytes >= 2 ** 30
  );
  assert(large.some(({ dtype }) => dtype === "bf16"));
});

Deno.test("filtered() keeps the cases in whose name all words occur", () => {
  const cases = casesOf(DEFAULT_SIZES);
  const found = filtered(cases, " D=128  prefill bf16 ").map(nameOf);
  assertEquals(
    found,
    cases.map(nameOf).filter((name) => /prefill/.test(name) && /d=128 .*bf16/.test(name)),
  );
  assert(found.length > 0);
  assertEquals(filtered(cases, ""), cases);
  assertEquals(filtered(cases, "prefill nonsense"), []);
});

for (const kernel of ["dense prefill", "sparse prefill"]) {
  Deno.test(`${kernel} counts the operations of the tiles it computes`, async () => {
    for (const one of tiny(kernel)) {
      const { seen, opened, control } = await open(one);
      await opened.run(control);
      const pairs = seen.tiles[0]!.map((plan) => tilePairs(plan, one.tokens));
      assertEquals(pairs.length, one.heads);
      const flops = pairs.reduce((sum, pairs) => sum + 4 * one.dim * pairs, 0);
      assertAlmostEquals(one.flops, flops, 1e-9 * flops);
      opened.close();
    }
  });
}

Deno.test("sparse prefill is compared with dense prefill of the same rows, and each head has its own tiles", async () => {
  for (const one of tiny("sparse prefill")) {
    const { seen, opened, control } = await open(one);
    await opened.run(control);
    await opened.dense!(control);
    const [sparse, dense] = seen.tiles;
    assertEquals(new Set(sparse).size, one.heads);
    const pairs = tilePairs(dense![0]!, one.tokens);
    assertEquals(pairs, one.tokens * (one.tokens + 1) / 2);
    assertAlmostEquals(tilePairs(sparse![0]!, one.tokens) / pairs, one.share, 1e-9);
    assertAlmostEquals(one.share, 0.25, 0.05);
    opened.close();
  }
});

Deno.test("dense decode sees every key", async () => {
  for (const one of tiny("dense decode")) {
    const { seen, opened, control } = await open(one);
    await opened.run(control);
    assertEquals(seen.keys[0]!.length, one.heads);
    for (const plan of seen.keys[0]!) assertEquals(keysOf(plan).length, one.tokens);
    assertEquals(one.flops, 4 * one.heads * one.dim * one.tokens);
    opened.close();
  }
});

Deno.test("sparse decode sees its share of different keys, others in each repetition, a group the same", async () => {
  for (const one of tiny("sparse decode")) {
    const { seen, opened, control } = await open(one);
    await opened.run(control);
    await opened.run(control);
    const [first, second] = seen.keys;
    const group = one.heads / one.kvHeads;
    first!.forEach((plan, head) => {
      const keys = keysOf(plan);
      assertEquals(new Set(keys).size, keys.length);
      assertEquals(keys.length, Math.round(one.share * one.tokens));
      assertEquals(plan, first![head - head % group]);
    });
    assert(keysOf(first![0]!).join() !== keysOf(second![0]!).join());
    if (one.kvHeads > 1) assert(keysOf(first![0]!).join() !== keysOf(first!.at(-1)!).join());
    opened.close();
  }
});

Deno.test({
  name: "memory that a case predicts is what its tensors take, and closing gives it back",
  ignore: !native,
  fn: async () => {
    for (const one of casesOf(TINY_SIZES)) {
      const before = native!.allocatedBytes();
      const opened = await one.open({ backend: native!, data: new RandomRows(1) });
      const taken = native!.allocatedBytes() - before;
      assert(taken <= one.memoryBytes * 1.05, `${nameOf(one)}: ${taken} of ${one.memoryBytes}`);
      assert(taken >= one.memoryBytes * 0.75, `${nameOf(one)}: ${taken} of ${one.memoryBytes}`);
      opened.close();
      assertEquals(native!.allocatedBytes(), before, nameOf(one));
    }
  },
});

Deno.test("RandomRows gives normal numbers, never zeros, the same for the same seed", () => {
  const values = new RandomRows(3).rows(500, 64, 2);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assertLess(Math.abs(mean), 0.05);
  assertAlmostEquals(variance, 4, 0.2);
  assert(values.every((value) => value !== 0 && Number.isFinite(value)));
  assertEquals(new RandomRows(3).rows(500, 64, 2), values);
});

Deno.test("RandomRows.subset() gives different numbers of the range, rising", () => {
  const numbers = new RandomRows(3).subset(50, 10, 80);
  assertEquals(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  assertEquals(numbers.length, 50);
  assert(numbers.every((number) => number >= 10 && number < 80));
  assertEquals(new RandomRows(3).subset(9, 2, 5), [2, 3, 4]);
});
