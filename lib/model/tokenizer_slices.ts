/** Long work in slices: between two of them timers, signals and messages get through. */
import { setImmediate } from "node:timers";

const SLICE_MS = 15;
/** A look at the clock costs about as much as an entry of a vocabulary. */
const CLOCK_EVERY = 256;
let last = 0;

/** Calls `work` for each item, and goes through the event loop before and once every 15 ms. */
export async function inSlices<T>(
  items: Iterable<T>,
  work: (item: T, index: number) => void,
): Promise<void> {
  let index = 0;
  for (const item of items) {
    if (index % CLOCK_EVERY === 0) await pause();
    work(item, index++);
  }
}

/** Goes through the event loop if it has been kept waiting for 15 ms. */
export async function pause(): Promise<void> {
  if (performance.now() - last < SLICE_MS) return;
  await new Promise<void>((resolve) => setImmediate(resolve));
  last = performance.now();
}
