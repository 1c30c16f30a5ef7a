import { assertEquals, assertGreater } from "@std/assert";
import { inSlices } from "../../lib/model/tokenizer_slices.ts";

/** How often timers fire while `work` goes on. */
async function countTimers(work: () => Promise<void>): Promise<number> {
  let count = 0;
  const timer = setInterval(() => count++, 1);
  try {
    await work();
    return count;
  } finally {
    clearInterval(timer);
  }
}

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

Deno.test("inSlices() gives every item and its place once, in order", async () => {
  const items = Array.from({ length: 1000 }, (_, i) => `item ${i}`);
  const seen: [string, number][] = [];
  await inSlices(items, (item, index) => seen.push([item, index]));
  assertEquals(seen, items.map((item, index) => [item, index]));
});

Deno.test("inSlices() lets timers fire meanwhile", async () => {
  const timers = await countTimers(() => inSlices(new Uint8Array(2560), () => spin(0.1)));
  assertGreater(timers, 4);
});

Deno.test("inSlices() passes on what the work throws", async () => {
  const failed = inSlices([1, 2], () => {
    throw new RangeError("no");
  }).catch((error) => error);
  assertEquals(await failed instanceof RangeError, true);
});
