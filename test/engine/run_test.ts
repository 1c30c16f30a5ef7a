import { assertEquals } from "@std/assert";
import { Run } from "../../lib/engine/run.ts";

/** Lets whoever waits go on. */
const pause = () => new Promise<void>((resolve) => setTimeout(resolve));

async function eventsOf(run: Run<number, void>): Promise<number[]> {
  const events: number[] = [];
  for await (const event of run) events.push(event);
  return events;
}

Deno.test("who begins to iterate while others are being woken is woken with the next event", async () => {
  const late: Promise<number[]>[] = [];
  const run: Run<number, void> = new Run(async (emit) => {
    await pause();
    emit(1);
    late.push(eventsOf(run));
    await pause();
    emit(2);
    await pause();
    emit(3);
  });
  assertEquals(await eventsOf(run), [1, 2, 3]);
  assertEquals(await late[0], [2, 3]);
});

Deno.test("all who iterate get the error that ends a run", async () => {
  const run = new Run<number, void>(async (emit) => {
    emit(1);
    await pause();
    throw new Error("it broke");
  });
  const ends = [eventsOf(run), eventsOf(run), eventsOf(run)].map((end) => end.catch(String));
  assertEquals(await Promise.all(ends), ["Error: it broke", "Error: it broke", "Error: it broke"]);
});
