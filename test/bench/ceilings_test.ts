import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { findCompiler } from "../../ffi/compiler.ts";
import { BackendError, LibraryError } from "../../ffi/errors.ts";
import {
  limitOf,
  type MachineCeilings,
  measureCeilings,
  peakOf,
  readAgain,
  readOf,
  sizeText,
  WORKING_SETS,
} from "../../lib/bench/ceilings.ts";
import { CeilingsLibrary } from "../../lib/bench/ceilings_library.ts";

const hasCompiler = await findCompiler().then(() => true, (error) => {
  if (!(error instanceof LibraryError)) throw error;
  console.log(`Skips the ceilings' loops: ${error.message}`);
  return false;
});

function test(name: string, body: (library: CeilingsLibrary) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !hasCompiler,
    fn: async () => {
      const library = await CeilingsLibrary.open();
      try {
        await body(library);
      } finally {
        library.close();
      }
    },
  });
}

test("the ceilings' loops run every unit of this machine at a plausible rate", async (library) => {
  const units = library.units();
  assertEquals(units[0], "portable");
  for (const unit of units) {
    const { rate, check } = await library.peak(unit, 1, 0.02);
    assert(rate > 1e8 && rate < 1e14, `${unit}: ${rate} FLOP/s`);
    assert(Number.isFinite(check) && check !== 0, `${unit}: ${check}`);
  }
});

test("the ceilings' loops read memory at a plausible rate, and other data give another sum", async (library) => {
  const memory = await library.memory(1 << 20, 2);
  const { rate, check } = await memory.read(1 << 20, 2, 0.02);
  assert(rate > 1e7 && rate < 1e14, `${rate} B/s`);
  assert(Number.isFinite(check) && check > 0);
  memory.free();
});

test("the ceilings' loops refuse what they cannot measure", async (library) => {
  await assertRejects(() => library.peak("abacus", 1, 0.01), BackendError, "peak of abacus on 1");
  await assertRejects(() => library.peak("portable", 0, 0.01), BackendError, "on 0 threads");
  await assertRejects(() => library.memory(100, 1), BackendError, "make 100 bytes");
});

test("measureCeilings() measures all units and working sets with one thread and with all", async (library) => {
  const workingSets = [65536, 262144];
  const told: string[] = [];
  const { read, peaks } = await measureCeilings(library, {
    threads: 2,
    workingSets,
    seconds: 0.01,
    onProgress: (_, what) => told.push(what),
  });
  const expected = workingSets.flatMap((bytes) => [1, 2].map((threads) => ({ bytes, threads })));
  assertEquals(
    read.map(({ bytes, threads }) => ({ bytes, threads }))
      .sort((a, b) => a.bytes - b.bytes || a.threads - b.threads),
    expected,
  );
  assertEquals(peaks.length, 2 * library.units().length);
  assert(
    [...read.map(({ gbps }) => gbps), ...peaks.map(({ gflops }) => gflops)].every((x) => x > 0),
  );
  assert(told.includes("reading 256 KB"));
});

test("measureCeilings() stops between two measurements", async (library) => {
  const stop = new AbortController();
  const measuring = measureCeilings(library, {
    threads: 1,
    workingSets: [65536, 262144],
    seconds: 0.01,
    onProgress: (_, what) => what === "reading 64 KB" && stop.abort(),
    signal: stop.signal,
  });
  await assertRejects(() => measuring, DOMException, "aborted");
});

const CEILINGS: MachineCeilings = {
  read: [
    { bytes: 1e6, threads: 2, gbps: 100 },
    { bytes: 1e9, threads: 2, gbps: 20 },
    { bytes: 1e9, threads: 1, gbps: 10 },
  ],
  peaks: [
    { unit: "portable", threads: 2, gflops: 50 },
    { unit: "avx512", threads: 2, gflops: 500 },
    { unit: "avx512bf16", threads: 2, gflops: 1000 },
    { unit: "amx", threads: 2, gflops: 5000 },
    { unit: "avx512", threads: 1, gflops: 250 },
  ],
};

Deno.test("limitOf() names what takes longer: multiplying, or reading the working set", () => {
  const work = { flops: 1e9, trafficBytes: 1e6, workingSetBytes: 1e9, multiplies: "f32" } as const;
  assertEquals(limitOf(CEILINGS, work, "avx512", 2), {
    name: "avx512 f32 peak",
    rate: 500,
    unit: "GFLOP/s",
    ms: 2,
  });
  const reading = { ...work, trafficBytes: 1e9 };
  assertEquals(limitOf(CEILINGS, reading, "avx512", 2), {
    name: "read of 954 MB",
    rate: 20,
    unit: "GB/s",
    ms: 50,
  });
  assertEquals(limitOf(CEILINGS, { ...reading, workingSetBytes: 1e6 }, "avx512", 2).rate, 100);
});

Deno.test("peakOf() takes the unit's own products for bf16, and its vectors for f32", () => {
  assertEquals(peakOf(CEILINGS, "amx", "bf16", 2).gflops, 5000);
  assertEquals(peakOf(CEILINGS, "amx", "f32", 2).gflops, 500);
  assertEquals(peakOf(CEILINGS, "avx512bf16", "bf16", 2).gflops, 1000);
  assertEquals(peakOf(CEILINGS, "avx512bf16", "f32", 2).gflops, 500);
  assertEquals(peakOf(CEILINGS, "avx512", "bf16", 2).gflops, 500);
  assertEquals(peakOf(CEILINGS, "avx512", "f32", 1).gflops, 250);
  assertThrows(
    () => peakOf(CEILINGS, "neon", "f32", 2),
    RangeError,
    "peak of neon on 2 threads was not measured: there are portable, avx512, avx512bf16, amx",
  );
});

Deno.test("limitOf() is the roofline: the lower of the peak and what reads allow at the work's intensity", () => {
  const work = { trafficBytes: 1e8, workingSetBytes: 1e9, multiplies: "bf16" } as const;
  const turn = 500 / 20; // operations for each byte at which both take equally long
  for (const share of [0.1, 0.9, 1.1, 10]) {
    const flops = work.trafficBytes * turn * share;
    const { ms, unit } = limitOf(CEILINGS, { ...work, flops }, "avx512", 2);
    assertAlmostEquals(flops / ms / 1e6, Math.min(500, 20 * turn * share), 1e-6);
    assertEquals(unit, share < 1 ? "GB/s" : "GFLOP/s");
  }
});

Deno.test("readOf() reads between the two sizes around the working set, and beyond all as the last one", () => {
  const middle = readOf(CEILINGS, Math.sqrt(1e6 * 1e9), 2);
  assertAlmostEquals(middle.gbps, Math.sqrt(100 * 20), 1e-9);
  assertAlmostEquals(readOf(CEILINGS, 1e6 * 1000 ** 0.25, 2).gbps, 100 * 0.2 ** 0.25, 1e-9);
  assertEquals(readOf(CEILINGS, 1e9, 2), CEILINGS.read[1]);
  assertEquals(readOf(CEILINGS, 1, 2), CEILINGS.read[0]);
  assertEquals(readOf(CEILINGS, 1e12, 2), CEILINGS.read[1]);
  assertEquals(readOf(CEILINGS, 1, 1).gbps, 10);
  assertThrows(() => readOf(CEILINGS, 1, 3), RangeError, "not measured with 3 threads");
});

Deno.test("a usual run reads working sets from 64 KB to 2 GB", () => {
  assertEquals([WORKING_SETS[0], WORKING_SETS.at(-1)].map((bytes) => sizeText(bytes!)), [
    "64 KB",
    "2 GB",
  ]);
  assertEquals(sizeText(1536 * 1024), "1.5 MB");
});

test("readAgain() measures a working set now, and keeps what was faster", async (library) => {
  const ceilings: MachineCeilings = {
    peaks: [],
    read: [{ bytes: 2 ** 16, threads: 1, gbps: 1e-6 }, { bytes: 2 ** 22, threads: 1, gbps: 1e9 }],
  };
  const at = (read: MachineCeilings, bytes: number) => readOf(read, bytes, 1).gbps;
  const slow = await readAgain(library, ceilings, { bytes: 2 ** 16, threads: 1, seconds: 0.02 });
  assert(at(slow, 2 ** 16) > 0.01 && at(slow, 2 ** 16) < 1e5, `${at(slow, 2 ** 16)} GB/s`);
  assertEquals(at(slow, 2 ** 22), 1e9);
  const fast = await readAgain(library, ceilings, { bytes: 2 ** 22, threads: 1, seconds: 0.02 });
  assertEquals([at(fast, 2 ** 22), at(fast, 2 ** 16)], [1e9, 1e-6]);
});
