import { assertEquals, assertStringIncludes } from "@std/assert";
import type { RecallPair } from "./recall.ts";
import { judgeCapture, judgeRecall, judgeSanitizer, judgeTests, stepsOf } from "./steps.ts";

function lines(...pairs: Pick<RecallPair, "compute" | "cpu" | "cuda">[]): string {
  return pairs.map((pair) => JSON.stringify({ what: "keeper 1024 dense", questions: 40, ...pair }))
    .join("\n");
}

Deno.test("stepsOf() runs the suite, retrieval, the recall, the capture and both tools, with other shares of cases", () => {
  const steps = stepsOf(["--no-lock"]);
  const names = ["recall like the CPU's", "decode as a CUDA graph"];
  assertEquals(steps.map(({ name }) => name), [
    ...["backend suite", "retrieval like the CPU's", ...names],
    ...["compute-sanitizer memcheck", "compute-sanitizer racecheck"],
  ]);
  assertEquals(steps.map(({ env }) => env !== undefined), [false, false, false, false, true, true]);
  for (const { command } of steps) assertEquals(command.includes("--no-lock"), true);
});

Deno.test("judgeTests() names the first test that failed", () => {
  const failed = "cuda simt: merge() ... FAILED (1ms)\nFAILED | 3 passed | 1 failed (1s)\n";
  const { state, detail } = judgeTests(failed, false);
  assertEquals(state, "WRONG");
  assertStringIncludes(detail, "cuda simt: merge()");
  assertEquals(judgeTests("ok | 4 passed | 0 failed (1s)\n", true), {
    state: "right",
    detail: "ok | 4 passed | 0 failed (1s)",
  });
});

Deno.test("judgeSanitizer() is right only without errors, and skipped where the tool does not run", () => {
  const summary = (count: number) => `========= ERROR SUMMARY: ${count} errors\n`;
  assertEquals(judgeSanitizer(summary(0), true).state, "right");
  assertEquals(judgeSanitizer(summary(0), false).state, "WRONG");
  assertEquals(judgeSanitizer(summary(2), false).state, "WRONG");
  const races = "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)\n";
  assertEquals(judgeSanitizer(races, true).state, "right");
  assertEquals(judgeSanitizer("Error: the device is not supported\n", false), {
    state: "skipped",
    detail: "it does not run here: Error: the device is not supported",
  });
});

Deno.test("judgeCapture() shows both times, or what is wrong", () => {
  const times = 'built\n{"callsUs": 900.5, "replayUs": 700.1}\n';
  assertEquals(judgeCapture(times, true), {
    state: "right",
    detail: "a step takes 900.5 us, its replay 700.1",
  });
  assertEquals(judgeCapture("replay: its logits are others\n", false), {
    state: "WRONG",
    detail: "replay: its logits are others",
  });
  assertEquals(judgeCapture(times, false).state, "WRONG");
});

Deno.test("judgeRecall() allows no difference in f32, and one question in bf16", () => {
  const near = { cpu: 0.9, cuda: 0.925 };
  assertEquals(judgeRecall(lines({ compute: "bf16", ...near }), true).state, "right");
  assertEquals(judgeRecall(lines({ compute: "f32", ...near }), true).state, "WRONG");
  assertEquals(judgeRecall(lines({ compute: "bf16", cpu: 0.9, cuda: 0.8 }), true).state, "WRONG");
  assertEquals(judgeRecall(lines({ compute: "f32", cpu: 1, cuda: 1 }), false).state, "WRONG");
  assertEquals(judgeRecall("BackendError", true).state, "WRONG");
});
