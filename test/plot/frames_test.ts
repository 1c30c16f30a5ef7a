import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { follow } from "../../lib/plot/watch/follow.ts";
import { Frames } from "../../lib/plot/watch/frames.ts";
import { pause } from "./fake_run.ts";
import { mostASecond } from "./most_a_second.ts";

Deno.test("Frames shows the latest of many changes, at most seven times a second", async () => {
  const shown: { at: number; state: number }[] = [];
  let state = 0;
  const frames = new Frames(() => {
    shown.push({ at: performance.now(), state });
    return Promise.resolve();
  });
  const began = performance.now();
  while (performance.now() - began < 700) {
    state++;
    frames.changed();
    await pause(1);
  }
  await frames.finish();
  assertLessOrEqual(shown.length, 5);
  assert(shown.length >= 2, `${shown.length} frames`);
  assertLessOrEqual(mostASecond(shown.map(({ at }) => at)), 7);
  assert(shown.at(-1)!.state > shown[0]!.state + 50);
});

Deno.test("Frames takes a tenth of the time, and shows one state at a time", async () => {
  let [running, most, count] = [0, 0, 0];
  const frames = new Frames(async () => {
    most = Math.max(most, ++running);
    count++;
    await pause(50);
    running--;
  });
  const began = performance.now();
  while (performance.now() - began < 700) {
    frames.changed();
    await pause(5);
  }
  await frames.finish();
  assertEquals([most, running], [1, 0]);
  assertLessOrEqual(count, 2);
});

Deno.test("Frames shows nothing after finish() and nothing without a change", async () => {
  let count = 0;
  const frames = new Frames(() => Promise.resolve(void count++));
  await pause(20);
  assertEquals(count, 0);
  frames.changed();
  await pause(20);
  frames.changed();
  await frames.finish();
  await pause(200);
  assertEquals(count, 1);
});

Deno.test("finish() of Frames throws what showing threw", async () => {
  const frames = new Frames(() => Promise.reject(new RangeError("too large")));
  frames.changed();
  await pause(20);
  await assertRejects(() => frames.finish(), RangeError, "too large");
});

/** A view of nothing. */
function viewOf(failed: () => void) {
  return {
    see() {},
    done() {},
    failed,
    bundle: () => Promise.resolve({}),
    line: () => "",
  };
}

async function* noEvents() {}

Deno.test("follow() shows the last frame though one before it could not be shown", async () => {
  let last = 0;
  const outlet = {
    show: () => Promise.reject(new Error("too large")),
    finish: () => Promise.resolve(void last++),
  };
  const run = Object.assign(noEvents(), { then: pause(20).then.bind(pause(20)) });
  await assertRejects(() => follow(run, viewOf(() => {}), outlet), Error, "too large");
  assertEquals(last, 1);
});

Deno.test("follow() throws the run's error though the view cannot take it in", async () => {
  const broken = Promise.reject<void>(new RangeError("the run's"));
  const run = Object.assign(noEvents(), { then: broken.then.bind(broken) });
  const view = viewOf(() => {
    throw new Error("the view's");
  });
  await assertRejects(() => follow(run, view, null), RangeError, "the run's");
});
