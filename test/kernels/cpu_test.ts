/** The cpu backend against the reference, with every instruction set that this machine has. */
import { openBackend } from "../../ffi/open.ts";
import { backendSuite, bf16UnitSuite, indexSuite } from "./backend_suite.ts";
import { cpuSets } from "./cpu_sets.ts";

const sets = await cpuSets("tests of the cpu backend");
if (sets.length === 0) {
  Deno.test({ name: "openBackend() gives the cpu backend", ignore: true, fn: () => {} });
}
for (const isa of sets) {
  const open = () => openBackend({ backend: "cpu", isa, compute: "f32" });
  backendSuite(`cpu ${isa}`, open);
  indexSuite(`cpu ${isa}`, open);
  const backend = await openBackend({ backend: "cpu", isa, compute: "bf16" });
  if (backend.info().compute === "f32") continue;
  bf16UnitSuite(`cpu ${isa} bf16`, () => openBackend({ backend: "cpu", isa, compute: "bf16" }));
}
