import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import type { BenchCase } from "../../lib/bench/bench_case.ts";
import { allotted, fitting } from "../../lib/bench/budget.ts";
import { casesOf, filtered, nameOf } from "../../lib/bench/cases.ts";
import type { PeerFinder } from "../../lib/bench/peer.ts";
import { PeerTypes } from "../../lib/bench/peer_types.ts";
import { parseResult, resultText } from "../../lib/bench/result.ts";
import { type BenchOptions, runBench } from "../../lib/bench/run_bench.ts";
import { Clock } from "../clock.ts";
import { FakePeer, finderOf, nativeBackend, TINY_SIZES } from "./tiny.ts";

const native = await nativeBackend();
const CASES = casesOf(TINY_SIZES);

function test(name: string, body: () => Promise<void>): void {
  Deno.test({ name, ignore: !native, fn: body });
}

function run(options: Partial<BenchOptions> = {}) {
  const workingSets = [65536, 1 << 20];
  return runBench({ backend: native!, cases: CASES, seconds: 600, workingSets, ...options });
}

/** A case that does what a function does. */
function madeUp(work: () => void | Promise<void>, more: Partial<BenchCase> = {}): BenchCase {
  const open = () => Promise.resolve({ run: work, close: () => {} });
  return { ...CASES[0]!, shape: "made up", peers: null, ...more, open };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

test("runBench() measures every family under a ceiling, in order, and its result can be stored", async () => {
  const kernels = new Set(CASES.map(({ kernel }) => kernel));
  const cases = [...kernels].flatMap((kernel) => filtered(CASES, kernel).slice(-1));
  const seen: string[] = [];
  const result = await run({ cases, onRow: (row) => void seen.push(nameOf(row)) });
  assertEquals(result.rows.map(nameOf), cases.map(nameOf));
  assertEquals(seen.toSorted(), cases.map(nameOf).toSorted());
  assert(result.finished);
  for (const [x, { ms, limit, beside }] of result.rows.entries()) {
    assert(ms.count >= 3 && ms.least > 0 && ms.low <= ms.median && ms.median <= ms.high);
    assert(limit.ms > 0 && limit.rate > 0);
    assertEquals(beside.map(({ name }) => name), cases[x]!.denseFlops > 0 ? ["dense"] : []);
  }
  assertEquals(await parseResult(resultText(result), "a.json"), result);
});

test("runBench() gives peers the problem of the case, in the fastest type they accept, between repetitions of ours", async () => {
  const events: string[] = [];
  const peer = new FakePeer("fake", ({ dtype }) => {
    events.push(`peer-${dtype}`);
    return dtype === "f16" ? [40, 50] : [30, 10, 20];
  });
  const one = madeUp(async () => {
    events.push("ours");
    await pause(2);
  }, { peers: { kind: "prefill", tokens: 128, heads: 4, kvHeads: 1, dim: 32 } });
  const { rows, peers } = await run({ cases: [one], peers: [finderOf(peer)], seed: 5 });
  const { seconds, ...asked } = peer.asked.at(-1)!;
  const problem = { kind: "prefill", tokens: 128, heads: 4, kvHeads: 1, dim: 32 } as const;
  assertEquals(asked, { ...problem, dtype: "f32", threads: 2, seed: 5 });
  assert(seconds > 0);
  assertMatch(events.join(" "), /^(ours ){4,}peer-f16 peer-f32 peer-f32( ours)+$/);
  const { ms, beside } = rows[0]!;
  assertEquals(ms.count, events.filter((event) => event === "ours").length - 1);
  assertEquals(beside[0], {
    name: "fake",
    dtype: "f32",
    ms: { median: 20, low: 15, high: 25, least: 10, count: 3 },
    ratio: 20 / ms.median,
    note: "made up",
  });
  assertEquals(peers, [{ name: "fake", version: "1.2.3", missing: null }]);
  assertEquals(peer.closed, 1);
});

test("runBench() goes on without peers that are missing, refuse or fail, and says why", async () => {
  const broken = new FakePeer("broken", () => {
    throw new Error("it fell over\nand more");
  });
  const picky = new FakePeer("picky");
  picky.accepts = () => "it does nothing today";
  const gone: PeerFinder = { name: "gone", find: () => Promise.resolve({ missing: "not here" }) };
  const cases = filtered(CASES, "dense decode n=128 d=64 heads=2/2");
  const peers = [gone, finderOf(broken), finderOf(picky)];
  const result = await run({ cases, peers });
  assertEquals(
    result.rows[0]!.beside.map(({ name, ms, ratio, note }) => [name, ms, ratio, note]),
    [["broken", null, null, "it fell over"], ["picky", null, null, "it does nothing today"]],
  );
  assertEquals(result.peers[0], { name: "gone", version: null, missing: "not here" });
  assertEquals([broken.closed, picky.closed], [1, 1]);
});

test("runBench() takes dense and sparse in turn", async () => {
  const events: string[] = [];
  const one = madeUp(() => {}, { share: 0.5, denseFlops: 1 });
  const open = () =>
    Promise.resolve({
      run: async () => {
        events.push("s");
        await clock.pass(2);
      },
      dense: async () => {
        events.push("d");
        await clock.pass(8);
      },
      close: () => {},
    });
  using clock = new Clock();
  const { rows } = await run({ cases: [{ ...one, open }] });
  assertMatch(events.join(""), /^(sd){4,}$/);
  const { name, ratio } = rows[0]!.beside[0]!;
  assertEquals([name, rows[0]!.ms.median, ratio], ["dense", 2, 4]);
});

test("runBench() skips cases that do not fit the memory or the time, with the reason", async () => {
  const large = madeUp(() => {}, { shape: "large", memoryBytes: 2 ** 40 });
  const slow = madeUp(() => {}, { shape: "slow", flops: 1e18 });
  const small = madeUp(() => pause(1), { shape: "small" });
  const { rows, skipped } = await run({
    cases: [large, slow, small],
    memoryBytes: 2 ** 30,
    seconds: 30,
  });
  assertEquals(rows.map(({ shape }) => shape), ["small"]);
  assertEquals(skipped[0], {
    name: "dense prefill large",
    reason: "it would take 1024 GB of memory, and 1 GB may be taken",
  });
  assertMatch(
    skipped[1]!.reason,
    /^it would take about [\d.e+]+ s, and [\d.]+ s of 30 s were left$/,
  );
});

test("runBench() that is stopped has the rows it had, and closes its peers", async () => {
  const stop = new AbortController();
  const peer = new FakePeer("fake");
  const cases = filtered(CASES, "dense decode n=128");
  const seen: string[] = [];
  const result = await run({
    ...{ cases, peers: [finderOf(peer)], signal: stop.signal },
    onRow: (row) => {
      seen.push(nameOf(row));
      if (seen.length === 2) stop.abort();
    },
  });
  assertEquals(result.rows.map(nameOf), cases.map(nameOf).filter((name) => seen.includes(name)));
  assertEquals(result.rows.length, 2);
  assertEquals(result.finished, false);
  assertEquals(peer.closed, 1);
});

test("runBench() that is stopped within a case leaves that case out", async () => {
  const stop = new AbortController();
  const one = madeUp(async () => {
    stop.abort();
    await pause(1);
  });
  const result = await run({ cases: [one], signal: stop.signal });
  assertEquals([result.rows, result.finished], [[], false]);
});

test("runBench() does not hide errors that are no stop", async () => {
  const one = madeUp(() => {
    throw new RangeError("a defect");
  });
  const message = await run({ cases: [one] }).then(() => "none", (error) => error.message);
  assertEquals(message, "a defect");
});

test("runBench() tells what is measured and how far it is", async () => {
  const shares: number[] = [];
  const told: string[] = [];
  const cases = filtered(CASES, "dense decode n=128 d=32");
  await run({
    cases,
    onProgress: ({ share, what }) => {
      shares.push(share);
      told.push(what);
    },
  });
  assert(shares.every((share) => share >= 0 && share <= 1));
  assertEquals(told.slice(-cases.length).toSorted(), cases.map(nameOf).toSorted());
});

Deno.test("allotted() gives what is wanted, or the same part of it to all where time is short", () => {
  assertEquals(allotted([100, 300], 1000), 100);
  assertAlmostEquals(allotted([100, 300], 200), 50);
  assertEquals(allotted([100, 300], -5), 0);
});

Deno.test("fitting() gives the first cases that fit into the time, at their least", () => {
  const times = [10, 20, 30].map((leastMs) => ({ setupMs: 1, leastMs, wantedMs: 5 * leastMs }));
  const counts = [9, 10, 29, 30, 59, 60, 1000].map((ms) => fitting(times, ms).length);
  assertEquals(counts, [0, 1, 1, 2, 2, 3, 3]);
  assertEquals(fitting(times, 30), times.slice(0, 2));
});

test("runBench() measures the shortest case first, and a long one does not take the time of others", async () => {
  const long = madeUp(() => {}, { shape: "long", flops: 1e18 });
  const shapes = ["c", "b", "a"].map((shape, i) =>
    madeUp(() => pause(1), { shape, flops: 1e9 / (i + 1) })
  );
  const seen: string[] = [];
  const { rows, skipped } = await run({
    cases: [long, ...shapes],
    onRow: ({ shape }) => void seen.push(shape),
    seconds: 30,
  });
  assertEquals(seen, ["a", "b", "c"]);
  assertEquals(rows.map(({ shape }) => shape), ["c", "b", "a"]);
  assertEquals(skipped.map(({ name }) => name), ["dense prefill long"]);
});

test("PeerTypes tries the types of a problem once, and leaves out one in which the peer fails", async () => {
  const peer = new FakePeer("fake", ({ dtype }) => {
    if (dtype === "f32") throw new Error("no memory");
    return [1];
  });
  const asked = {
    kind: "decode",
    tokens: 100_000,
    heads: 4,
    kvHeads: 4,
    dim: 64,
    threads: 1,
  } as const;
  const types = new PeerTypes();
  const { signal } = new AbortController();
  for (const tokens of [100_000, 50_000]) {
    const chosen = await types.choose(
      peer,
      { ...asked, tokens, seconds: 9, seed: 0 },
      "bf16",
      signal,
    );
    assertEquals(chosen, { ...asked, tokens, seconds: 9, seed: 0, dtype: "f16" });
  }
  assertEquals(peer.asked.map(({ dtype, tokens }) => [dtype, tokens]), [["f16", 16_384], [
    "f32",
    16_384,
  ]]);
});
