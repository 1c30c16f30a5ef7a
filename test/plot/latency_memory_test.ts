import { assert, assertEquals, assertThrows } from "@std/assert";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { latency, type LatencyPoint } from "../../lib/plot/latency.ts";
import { assertGolden } from "./golden.ts";
import { parsed } from "./inert.ts";

const POINT: LatencyPoint = { method: "dense", tokens: 4096, ms: 10, fastBytes: 64e6 };
const RETRIEVAL = { ...POINT, method: "r", fastBytes: 8e6, slowBytes: 64e6, indexBytes: 0 };

Deno.test("latency() of the gallery with memory is as it was looked at", async () => {
  await assertGolden("latency_memory.svg", await galleryFigures().memory!.svg());
});

Deno.test("latency() says what is where at the longest text, but for what takes nothing", () => {
  const longer = { ...RETRIEVAL, tokens: 8192, ms: 30, indexBytes: 2e6 };
  assertEquals(
    latency([POINT, RETRIEVAL, longer]).text,
    "Time and memory of a prefill by length: dense 10 ms at 4K (fast tier 64.0 MB at 4K); " +
      "r not faster than dense at 4K: 1.00 x (fast tier 8.00 MB, slow tier 64.0 MB, index 2.00 MB at 8K)",
  );
});

Deno.test("latency() draws a plane for each tier that holds something, with all points that do", async () => {
  const planes = async (points: readonly LatencyPoint[]) => {
    const svg = parsed(await latency(points).svg());
    const texts = [...svg.querySelectorAll("text")].map((text) => text.textContent);
    const told = [...svg.querySelectorAll("title")].map((title) => title.textContent);
    return {
      tiers: ["fast tier", "slow tier", "index"].filter((name) => texts.includes(name)),
      bytes: told.filter((title) => title.includes("B")),
    };
  };
  assertEquals(await planes([POINT, RETRIEVAL]), {
    tiers: ["fast tier", "slow tier"],
    bytes: [
      "dense\n4K: fast tier 64.0 MB",
      "r\n4K: fast tier 8.00 MB",
      "r\n4K: slow tier 64.0 MB",
    ],
  });
  assertEquals((await planes([{ ...POINT, fastBytes: 0 }])).tiers, []);
});

Deno.test("latency() draws one amount of memory, and fits a narrow column", async () => {
  const svg = await latency([RETRIEVAL]).redrawn({ width: 420 }).svg();
  assert(!/NaN|Infinity/.test(svg));
  assert(Number(svg.match(/ width="(\d+)"/)![1]) <= 420);
});

Deno.test("latency() names bytes that are wrong", () => {
  assertThrows(
    () => latency([{ ...POINT, slowBytes: -1 }]),
    RangeError,
    "slowBytes of dense must be finite and >= 0: current value is -1",
  );
  assertThrows(() => latency([{ ...POINT, indexBytes: NaN }]), RangeError, "current value is NaN");
});
