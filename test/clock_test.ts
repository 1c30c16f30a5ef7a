import { assert, assertEquals } from "@std/assert";
import { Clock } from "./clock.ts";

Deno.test("Clock fires timers in the order in which they are due, at their times", async () => {
  using clock = new Clock();
  const start = performance.now();
  const fired: [name: string, ms: number][] = [];
  const note = (name: string) => void fired.push([name, performance.now() - start]);
  setTimeout(() => note("late"), 30);
  setTimeout(() => {
    note("early");
    setTimeout(() => note("follows"), 10);
  }, 10);
  clearTimeout(setTimeout(() => note("cleared"), 5));
  await clock.pass(29);
  assertEquals([performance.now() - start, clock.waiting], [29, 1]);
  await clock.pass(1);
  assertEquals(fired, [["early", 10], ["follows", 20], ["late", 30]]);
});

Deno.test("Clock gives the real time back", async () => {
  const before = [globalThis.setTimeout, globalThis.clearTimeout, performance.now];
  {
    using _clock = new Clock();
  }
  assertEquals([globalThis.setTimeout, globalThis.clearTimeout, performance.now], before);
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 2));
  assert(performance.now() > start);
});
