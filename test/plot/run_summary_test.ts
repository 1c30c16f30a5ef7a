import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { runReport, totalMs } from "../../lib/plot/run/run_phases.ts";
import { runSummary } from "../../lib/plot/run_summary.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

const STEP = { ms: 5, counts: { scanned: 30, attended: 20, keys: 100 } };

Deno.test("runSummary() of the gallery is as it was looked at", async () => {
  await assertGolden("run_summary.svg", await galleryFigures().runSummary!.svg());
});

Deno.test("runReport() makes phases and counts of what a session's runs gave", () => {
  const memory = { tokens: 1010, kvBytes: 2e6, residentBytes: 1e6 };
  const parts = {
    prefill: { tokens: 1000, ms: 100 },
    steps: Array(10).fill(STEP),
    searchMs: 15,
    totalMs: 200,
    memory,
  };
  assertEquals(runReport(parts), {
    phases: [
      { name: "prefill", ms: 100, tokens: 1000 },
      { name: "decode", ms: 35, tokens: 10 },
      { name: "search", ms: 15 },
      { name: "rest", ms: 50 },
    ],
    memory,
    counts: { scanned: 300, attended: 200, keys: 1000 },
  });
});

Deno.test("runReport() takes the time of a generation where there are no steps", () => {
  const generation = { ids: Int32Array.of(1, 2, 3), msPerToken: 4 };
  assertEquals(runReport({ generation }), { phases: [{ name: "decode", ms: 12, tokens: 3 }] });
});

Deno.test("runSummary() draws pieces whose widths are the shares of time", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 10 }),
      async (times) => {
        const phases = times.map((ms, i) => ({ name: `p${i}`, ms }));
        const svg = parsed(await runSummary({ phases }).svg());
        const rects = [...svg.querySelectorAll('[aria-label="rect"] rect')];
        const widths = rects.map((rect) => Number(rect.getAttribute("width")) + 1);
        const all = widths.reduce((a, b) => a + b);
        times.forEach((ms, i) => assert(Math.abs(widths[i]! / all - ms / totalMs(phases)) < 0.02));
      },
    ),
    { numRuns: 8, seed: 1 },
  ));

Deno.test("runSummary() tells tokens a second, memory and shares with their denominators", async () => {
  const figure = runSummary({
    phases: [{ name: "prefill", ms: 500, tokens: 1000 }],
    memory: { kvBytes: 8.45e6, residentBytes: 1.31e6 },
    counts: { scanned: 845, attended: 180, keys: 1000 },
  });
  const svg = await figure.svg();
  for (
    const text of [
      "2,000 tokens/s",
      "8.45 MB",
      "1.31 MB, 16 % of them",
      "85 % of 1,000 query-key pairs",
    ]
  ) {
    assertStringIncludes(svg, `>${text}<`);
  }
  assertStringIncludes(
    figure.text,
    "Where 500 ms went: prefill 500 ms (1,000 tokens, 2,000 tokens/s)",
  );
});

Deno.test("runSummary() names phases only where their piece has room", async () => {
  const phases = [{ name: "long", ms: 1000 }, { name: "short", ms: 1 }];
  const svg = parsed(await runSummary({ phases }).svg());
  assertEquals(
    [...svg.querySelectorAll('[aria-label="text"] text')].map((text) => text.textContent),
    ["long"],
  );
});

Deno.test("runSummary() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, (name) =>
      assertInert(runSummary({ phases: [{ name, ms: 1 }] }, { title: name }))),
    { numRuns: 6, seed: 1 },
  ));

Deno.test("runSummary() names what is wrong", () => {
  assertThrows(
    () => runSummary({ phases: [] }),
    RangeError,
    "Cannot summarize a run as its phases must take > 0 ms: current value is 0",
  );
  assertThrows(() => runSummary({}), RangeError, "must take > 0 ms");
  assertThrows(
    () => runSummary({ phases: [{ name: "prefill", ms: NaN }] }),
    RangeError,
    "ms of prefill must be a finite number >= 0: current value is NaN",
  );
  assertThrows(
    () => runSummary({ steps: [STEP], totalMs: 2 }),
    RangeError,
    "ms of rest must be a finite number >= 0: current value is -3",
  );
  assertThrows(() => runSummary({ steps: [STEP], searchMs: 9 }), RangeError, "ms of decode");
  assertThrows(
    () => runSummary({ steps: [STEP], memory: { kvBytes: -1 } }),
    RangeError,
    "kvBytes must be",
  );
});
