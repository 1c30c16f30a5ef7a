/** The recorded cases on the native library without Deno between, and the instructions that it takes. */
import { compilerOrNull } from "../compiler_or_null.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Compute } from "../../ffi/backend.ts";
import type { Compiler } from "../../ffi/compiler.ts";
import { findLibrary } from "../../ffi/library.ts";
import { inFolder } from "../in_folder.ts";
import { declarations } from "../ffi/header.ts";
import { TOLERANCE } from "../kernels/tolerance.ts";
import { buildDriver } from "./build_driver.ts";
import { emulatedLibrary } from "./build_emulated.ts";
import { type Recording, writeCases } from "./case_file.ts";
import { CASES } from "./cases.ts";
import {
  comparison,
  countInstructions,
  majorVersion,
  storedCounts,
  whyNotCompared,
  whyNotCounted,
} from "./counts.ts";
import { recordCases } from "./record_cases.ts";
import { instructionSets, runDriver } from "./run_driver.ts";

const compiler = await compilerOrNull();
const notCounted = compiler ? await reasonNotToCount(compiler) : "there is no compiler";
const emulated = await emulatedLibrary();
if (!compiler) console.log("Skips the driver of test/native as no C++ compiler answers");
if (notCounted) console.log(`Skips the counts of instructions as ${notCounted}`);

async function reasonNotToCount(compiler: Compiler): Promise<string | null> {
  return await whyNotCounted() ?? whyNotCompared(await storedCounts(), compiler);
}

/** Calls `work` with a driver on a library. */
async function withDriver(
  library: string,
  work: (driver: string, folder: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    await work(await buildDriver(folder, compiler!, library), folder);
  });
}

let recording: Promise<Recording[]> | null = null;

/** Writes all cases into `file`; they are recorded once. */
async function recorded(file: string): Promise<Recording[]> {
  recording ??= recordCases(file, CASES);
  await writeCases(file, await recording);
  return await recording;
}

/** Replays all cases of `file`. */
async function replayRight(
  t: Deno.TestContext,
  driver: string,
  file: string,
  isas: readonly string[],
): Promise<void> {
  for (const isa of isas) {
    await t.step(`the cases come out right with ${isa}`, async () => {
      const { success, report } = await runDriver(driver, file, isa);
      assert(success, report);
      assertMatch(report, new RegExp(`^${CASES.length} cases, 0 failures$`, "m"));
    });
  }
}

/** The recordings whose calls ask for products of bf16, with other products and the tolerance of f32. */
function askedForBf16(recordings: readonly Recording[], compute: Compute): Recording[] {
  const asked = recordings.filter(({ calls }) => calls.some((call) => call.compute === "bf16"));
  return asked.filter(({ expectations }) => expectations.length > 0).map((recording) => ({
    ...recording,
    calls: recording.calls.map((call) => ({ ...call, compute })),
    expectations: recording.expectations.map((one) => ({ ...one, tolerance: TOLERANCE.f32 })),
  }));
}

/** The recordings with the last element of each expectation changed by more than its tolerance. */
function withWrongExpectations(recordings: readonly Recording[]): Recording[] {
  return recordings.filter(({ expectations }) => expectations.length > 0).map((recording) => ({
    ...recording,
    expectations: recording.expectations.map((one) => ({ ...one, values: wrong(one.values) })),
  }));
}

function wrong<Values extends Float32Array | Int32Array>(values: Values): Values {
  const copy = values.slice() as Values;
  const sizes = [...copy].filter(Number.isFinite).map(Math.abs);
  const last = copy.at(-1)!;
  const size = sizes.reduce((a, b) => Math.max(a, b), 1);
  copy[copy.length - 1] = (Number.isFinite(last) ? last : 0) + size;
  return copy;
}

async function assertAllFail(driver: string, folder: string, recordings: readonly Recording[]) {
  const wrong = withWrongExpectations(recordings);
  await writeCases(`${folder}/wrong.cases`, wrong);
  const { success, report } = await runDriver(driver, `${folder}/wrong.cases`, "");
  assertEquals([success, report.match(/^FAILED/gm)?.length], [false, wrong.length]);
  for (const { name } of wrong) assertStringIncludes(report, `FAILED ${name}: `);
}

async function assertCovered(recordings: readonly Recording[]): Promise<void> {
  const checks = await Deno.readTextFile(new URL("checks.cpp", import.meta.url));
  const called = recordings.flatMap(({ calls }) => calls.map(({ name }) => name));
  const checked = [...checks.matchAll(/\b(ll_\w+)\(/g)].map(([, name]) => name!);
  const covered = new Set([...called, ...checked]);
  assertEquals([...declarations().keys()].filter((name) => !covered.has(name)), []);
}

Deno.test({
  name: "the driver replays the cases of every function, each instruction set right",
  ignore: !compiler,
  fn: async (t) =>
    await withDriver((await findLibrary()).path, async (driver, folder) => {
      const file = `${folder}/all.cases`;
      const recordings = await recorded(file);
      await replayRight(t, driver, file, await instructionSets(driver));
      await t.step("every function of the header is replayed or checked", async () => {
        await assertCovered(recordings);
      });
      await t.step("wrong expectations fail their cases", async () => {
        await assertAllFail(driver, folder, recordings);
      });
      await t.step("a file that is cut short fails", async () => {
        await Deno.truncate(file, 1000);
        const { success, report } = await runDriver(driver, file, "");
        assertEquals(success, false);
        assertStringIncludes(report, "the file ends in the middle");
      });
    }),
});

Deno.test({
  name: "the driver replays the cases on emulated units, with products of bf16 where it is asked",
  ignore: emulated === null,
  fn: (t) =>
    withDriver(emulated!, async (driver, folder) => {
      const file = `${folder}/all.cases`;
      const recordings = await recorded(file);
      const isas = (await instructionSets(driver)).filter((isa) => isa.endsWith("-emulated"));
      assertEquals(isas.length, 3);
      await replayRight(t, driver, file, isas);
      for (const isa of isas.filter((isa) => !isa.startsWith("avx512-"))) {
        await t.step(
          `calls have products of bf16 with ${isa}, and of f32 where asked`,
          async () => {
            await writeCases(file, askedForBf16(recordings, "f32"));
            const exact = await runDriver(driver, file, isa);
            assert(exact.success, exact.report);
            await writeCases(file, askedForBf16(recordings, "bf16"));
            const { report } = await runDriver(driver, file, isa);
            const failed = [...report.matchAll(/^FAILED (\w+).*products of bf16: /gm)];
            const names = new Set(failed.map(([, name]) => name!));
            assertEquals(
              [...names].toSorted(),
              ["attend_tiles", "logits", "output", "qkv"],
              report,
            );
          },
        );
      }
    }),
});

Deno.test({
  name: "no operation takes 3 % more instructions than stored",
  ignore: notCounted !== null,
  fn: () =>
    inFolder(async (folder) => {
      const instructions = await countInstructions(folder, compiler!);
      const problems = comparison(await storedCounts(), instructions);
      assertEquals(problems, [], "Where it must be, store them: test/native/counts.ts --write");
    }),
});

Deno.test("comparison() reports counts that rose by more than 3 % and names on one side only", () => {
  const stored = { compiler: "", isa: "", instructions: { a: 1000, b: 1000, c: 1000, d: 1000 } };
  const problems = comparison(stored, { a: 1030, b: 1031, c: 500, e: 1 });
  assertEquals(problems, [
    "b: 1000 -> 1031 instructions, +3.10 %",
    "d: is not in both",
    "e: is not in both",
  ]);
});

Deno.test("majorVersion() tells compilers apart, not their commands", () => {
  assertEquals(majorVersion("g++ (Debian 12.2.0-14+deb12u1) 12.2.0"), "gcc 12");
  assertEquals(majorVersion("c++ (Ubuntu 13.1.0-8ubuntu1~22.04) 13.1.0"), "gcc 13");
  assertEquals(majorVersion("Debian clang version 14.0.6"), "clang 14");
});
