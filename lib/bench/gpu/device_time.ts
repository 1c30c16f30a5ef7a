/** Times of calls on a device: they return when their work is queued, so several are waited for together. */
import type { Awaitable, Backend } from "../../../ffi/backend.ts";
import { spreadOf } from "../statistics.ts";

const BATCHES = 7;
const BATCH_MS = 30;
const MOST_CALLS = 64;

/** Median milliseconds of a call. */
export async function deviceMs(backend: Backend, call: () => Awaitable<void>): Promise<number> {
  const last = backend.tensor([1]); // reading it waits for all that was queued before
  const batch = async (calls: number) => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) await call();
    last.read();
    return (performance.now() - start) / calls;
  };
  try {
    await batch(1);
    const calls = Math.min(MOST_CALLS, Math.ceil(BATCH_MS / await batch(1)));
    const times: number[] = [];
    for (let i = 0; i < BATCHES; i++) times.push(await batch(calls));
    return spreadOf(times).median;
  } finally {
    last.close();
  }
}
