import { assert, assertEquals, assertRejects } from "@std/assert";
import { follow } from "../../lib/plot/watch/follow.ts";
import { Frames } from "../../lib/plot/watch/frames.ts";
import { Clock } from "../clock.ts";
import { pause } from "./fake_run.ts";

/** Changes for 700 ms, once every `stepMs`, and ends. */
async function changeFor700(
  clock: Clock,
  frames: Frames,
  stepMs: number,
  change = () => {},
): Promise<void> {
  for (let ms = 0; ms < 700; ms += stepMs) {
    change();
    frames.changed();
    await clock.pass(stepMs);
  }
  await frames.finish();
}

Deno.test("Frames shows the latest of many changes, every 150 ms", async () => {
  using clock = new Clock();
  const start = performance.now();
  const shown: { ms: number; state: number }[] = [];
  let state = 0;
  const frames = new Frames(() => {
    shown.push({ ms: performance.now() - start, state });
    return Promise.resolve();
  });
  await changeFor700(clock, frames, 1, () => state++);
  const times = [0, 150, 300, 450, 600];
  assertEquals(shown.map(({ ms }) => ms), times);
  for (const { ms, state } of shown) assert(state >= ms && state <= ms + 1, `${state} at ${ms} ms`);
});

Deno.test("Frames takes a tenth of the time, and shows one state at a time", async () => {
  using clock = new Clock();
  let [running, most] = [0, 0];
  const start = performance.now();
  const began: number[] = [];
  const frames = new Frames(async () => {
    most = Math.max(most, ++running);
    began.push(performance.now() - start);
    await pause(50);
    running--;
  });
  await changeFor700(clock, frames, 5);
  assertEquals([most, running, began], [1, 0, [0, 500]]);
});

Deno.test("Frames shows nothing after finish() and nothing without a change", async () => {
  using clock = new Clock();
  let count = 0;
  const frames = new Frames(() => Promise.resolve(void count++));
  await clock.pass(20);
  assertEquals(count, 0);
  frames.changed();
  await clock.pass(20);
  assertEquals(count, 1);
  frames.changed();
  await frames.finish();
  await clock.pass(1000);
  assertEquals(count, 1);
});

Deno.test("finish() of Frames throws what showing threw", async () => {
  using clock = new Clock();
  const frames = new Frames(() => Promise.reject(new RangeError("too large")));
  frames.changed();
  await clock.pass(20);
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
  const tried = Promise.withResolvers<void>();
  const outlet = {
    show: () => {
      tried.resolve();
      return Promise.reject(new Error("too large"));
    },
    finish: () => Promise.resolve(void last++),
  };
  const run = Object.assign(noEvents(), { then: tried.promise.then.bind(tried.promise) });
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
