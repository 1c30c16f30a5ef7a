/** The cpu backend against the reference, with every instruction set that this machine has. */
import { LibraryError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import { backendSuite, bf16Suite, indexSuite } from "./backend_suite.ts";

for (const isa of await instructionSets()) {
  const open = () => openBackend({ backend: "cpu", isa, compute: "f32" });
  backendSuite(`cpu ${isa}`, open);
  indexSuite(`cpu ${isa}`, open);
  const backend = await openBackend({ backend: "cpu", isa, compute: "bf16" });
  if (backend.info().compute === "f32") continue;
  bf16Suite(`cpu ${isa} bf16`, () => openBackend({ backend: "cpu", isa, compute: "bf16" }));
}

async function instructionSets(): Promise<readonly string[]> {
  try {
    return (await openBackend({ backend: "cpu" })).info().available;
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
    console.log(`The tests of the cpu backend are skipped as it cannot be had: ${error.message}`);
    Deno.test({ name: "openBackend() gives the cpu backend", ignore: true, fn: () => {} });
    return [];
  }
}
