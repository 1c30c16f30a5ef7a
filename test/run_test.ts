import { assertEquals } from "@std/assert";
import { counts, total } from "./run.ts";

Deno.test("counts() reads the last summary of a report", () => {
  const report =
    "ok | 9 passed | 0 failed (1ms)\n\x1b[0m\x1b[31mFAILED\x1b[0m | 3 passed (1 step) | 2 failed" +
    " | 1 ignored (1 step) | 4 measured \x1b[38;5;245m(12ms)\x1b[0m\n\nerror: Test failed\n";
  assertEquals(counts(report), { passed: 3, failed: 2, skipped: 1 });
});

Deno.test("counts() is undefined where no test module loaded", () => {
  assertEquals(counts("error: Type checking failed.\n"), undefined);
});

Deno.test("total() adds what reports count, and takes one without a summary as a failure", () => {
  const report = "ok | 9 passed | 0 failed | 2 ignored (1ms)\n";
  assertEquals(total([report, report]), { passed: 18, failed: 0, skipped: 4 });
  assertEquals(total([report, "error: Type checking failed.\n"]), {
    passed: 9,
    failed: 1,
    skipped: 2,
  });
});
