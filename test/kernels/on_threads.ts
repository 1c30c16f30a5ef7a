import { assertEquals } from "@std/assert";
import { cpuSets } from "./cpu_sets.ts";

const isThere = (await cpuSets("tests of threads")).length > 0;

/** Registers a test that `found` is the same on one thread and on others; 0 are as many as there are cores. */
export function sameOnThreads(
  name: string,
  others: readonly number[],
  found: (threads: number) => Promise<unknown>,
): void {
  Deno.test({
    name,
    ignore: !isThere,
    fn: async () => {
      const one = await found(1);
      for (const threads of others) assertEquals(await found(threads), one);
    },
  });
}
