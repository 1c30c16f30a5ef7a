import { assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import { certifiedMass, estimatedMass } from "../../lib/attention/mass_claim.ts";
import { tInterval, tQuantile } from "../../lib/attention/t_interval.ts";
import { Random } from "../random.ts";

Deno.test("tQuantile() equals printed tables", () => {
  const table: [p: number, freedom: number, t: number][] = [
    [0.975, 1, 12.7062],
    [0.975, 2, 4.30265],
    [0.975, 3, 3.18245],
    [0.975, 7, 2.36462],
    [0.975, 30, 2.04227],
    [0.995, 4, 4.60409],
    [0.9995, 10, 4.58689],
    [0.9, 5, 1.47588],
  ];
  for (const [p, freedom, t] of table) assertAlmostEquals(tQuantile(p, freedom), t, 1e-4);
});

Deno.test("tInterval() holds the mean of normal numbers as often as it says", () => {
  const random = new Random(11);
  let right = 0;
  for (let round = 0; round < 2000; round++) {
    const { mean, half } = tInterval(Array.from(random.normals(4)), 0.1);
    if (Math.abs(mean) <= half) right++;
  }
  assertGreater(right / 2000, 0.88);
  assertLess(right / 2000, 0.92);
});

Deno.test("tInterval() of one value says nothing", () => {
  assertEquals(tInterval([0.5], 0.05), { mean: 0.5, half: Infinity });
});

const groupsOf = (...masses: number[]) => masses.map((mass) => ({ rows: 8, mass }));
const even = groupsOf(0.95, 0.95, 0.95, 0.95);
const check = groupsOf(0.9, 0.95, 0.97, 0.93);

Deno.test("estimatedMass() is wider after more tries and narrower in a smaller chunk", () => {
  const drawn = { fit: even, check, population: 1000 };
  const { low, high, mass, rows, from, kind } = estimatedMass(drawn, 1, 64);
  assertEquals([rows, from, kind], [32, 64, "estimated"]);
  assertAlmostEquals(mass, 0.9375, 1e-9);
  assertAlmostEquals(mass - low - (high - mass), 0.02 * Math.sqrt(1 - 4 / 1000), 1e-9);
  assertLess(estimatedMass(drawn, 5, 64).low, low);
  assertGreater(estimatedMass({ ...drawn, population: 8 }, 1, 64).low, low);
});

Deno.test("estimatedMass() takes the spread of the fitted groups where it is larger", () => {
  const { low, high } = estimatedMass({ fit: even, check, population: 1000 }, 1, 0);
  const turned = estimatedMass({ fit: check, check: even, population: 1000 }, 1, 0);
  assertAlmostEquals(turned.mass, 0.95, 1e-9);
  assertAlmostEquals(turned.high - turned.low, high - low, 1e-9);
});

Deno.test("estimatedMass() stays within 0 .. 1, and by one group knows nothing", () => {
  const drawn = { fit: groupsOf(1), check: groupsOf(0.99), population: 10 };
  const { low, high } = estimatedMass(drawn, 1, 0);
  assertEquals([low, high], [0, 1]);
});

Deno.test("certifiedMass() counts rows and leaves room for rounding", () => {
  const { mass, low, rows, kind } = certifiedMass(
    [{ rows: 8, mass: 1 }, { rows: 2, mass: 0.5 }],
    0,
  );
  assertEquals([mass, rows, kind], [low, 10, "certified"]);
  assertLess(mass, 0.9);
  assertAlmostEquals(mass, 0.9, 1e-4);
});
