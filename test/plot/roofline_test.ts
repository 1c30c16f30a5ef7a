import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { galleryFigures } from "../../lib/plot/gallery.ts";
import { roofline, type RooflineData } from "../../lib/plot/roofline.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, hostileText, parsed } from "./inert.ts";

const POINT = { series: "decode", name: "n=16K", intensity: 1, gflops: 20, ceiling: 25 };
const DATA: RooflineData = {
  points: [POINT, { ...POINT, name: "n=1K", gflops: 15 }, { ...POINT, series: "prefill" }],
  reads: [{ name: "memory", gbps: 25 }],
  peaks: [{ name: "avx2", gflops: 200 }],
};

Deno.test("roofline() of the gallery is as it was looked at", async () => {
  await assertGolden("roofline.svg", await galleryFigures().roofline!.svg());
});

Deno.test("roofline() tells the shares of the ceilings that each series reaches", () => {
  assertEquals(
    roofline(DATA, { title: "Kernels" }).text,
    "Kernels: decode 60 % to 80 % of the ceiling (2); prefill 80 % of the ceiling (1)",
  );
});

Deno.test("roofline() draws points at distances that are the logarithms of their ratios", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: 0.01, max: 1e4, noNaN: true }), { minLength: 3, maxLength: 3 }),
      async (amounts) => {
        fc.pre(Math.abs(Math.log(amounts[0]! / amounts[1]!)) > 0.1);
        const points = amounts.map((amount) => ({ ...POINT, intensity: amount, gflops: amount }));
        const svg = parsed(await roofline({ ...DATA, points }).svg());
        const [first, second, third] = [...svg.querySelectorAll('[aria-label="dot"] circle')]
          .map((circle) => ["cx", "cy"].map((name) => Number(circle.getAttribute(name))));
        const logs = amounts.map(Math.log);
        const share = (logs[2]! - logs[0]!) / (logs[1]! - logs[0]!);
        for (const axis of [0, 1]) {
          const length = second![axis]! - first![axis]!;
          assertAlmostEquals(
            third![axis]! - first![axis]!,
            share * length,
            0.01 * (1 + Math.abs(share)),
          );
        }
      },
    ),
    { numRuns: 8, seed: 1 },
  ));

Deno.test("roofline() gives series a second cue beside their colour", async () => {
  const svg = parsed(await roofline(DATA).svg());
  const shapes = [...svg.querySelectorAll('[aria-label="dot"] path')]
    .map((path) => path.getAttribute("d"));
  assertEquals(new Set(shapes).size, 2);
});

Deno.test("roofline() lets peaks begin where the steepest read reaches them", async () => {
  const svg = parsed(await roofline(DATA).svg());
  const links = [...svg.querySelectorAll('[aria-label="link"] path')]
    .map((path) => path.getAttribute("d")!.match(/[-\d.]+/g)!.map(Number));
  assertEquals(links.length, 2);
  const [read, peak] = links as [number[], number[]];
  assertEquals(read.slice(2), peak.slice(0, 2));
  assertEquals(peak[1], peak[3]);
  assert(read[0]! < read[2]! && read[1]! > read[3]!);
});

Deno.test("roofline() keeps hostile texts texts", () =>
  fc.assert(
    fc.asyncProperty(hostileText, (name) => {
      const points = [{ ...POINT, series: name, name }];
      const data = { points, reads: [{ name, gbps: 1 }], peaks: [{ name, gflops: 9 }] };
      return assertInert(roofline(data, { title: name }));
    }),
    { numRuns: 6, seed: 1 },
  ));

Deno.test("roofline() names what is wrong", () => {
  const cases: [data: Partial<RooflineData>, message: string][] = [
    [{ points: [] }, "there must be >= 1 points: current value is 0"],
    [{ reads: [] }, "there must be >= 1 reads"],
    [{ peaks: [] }, "there must be >= 1 peaks"],
    [{ points: [{ ...POINT, intensity: 0 }] }, "intensity of decode n=16K must be finite and > 0"],
    [{ reads: [{ name: "memory", gbps: NaN }] }, "gbps of memory must be finite and > 0"],
    [{ peaks: [{ name: "amx", gflops: -1 }] }, "gflops of amx must be finite and > 0: current"],
  ];
  for (const [data, message] of cases) {
    assertThrows(() => roofline({ ...DATA, ...data }), RangeError, message);
  }
});
