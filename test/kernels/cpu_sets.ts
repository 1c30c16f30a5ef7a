import { LibraryError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";

/** Instruction sets of the cpu backend on this machine; none, with a notice of what is skipped, where it cannot be had. */
export async function cpuSets(skipped: string): Promise<readonly string[]> {
  try {
    return (await openBackend({ backend: "cpu" })).info().available;
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
    console.log(`Skips ${skipped} as the cpu backend cannot be had: ${error.message}`);
    return [];
  }
}
