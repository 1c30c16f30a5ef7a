/** The bf16 units, and the 16 lanes of AVX-512, on machines without them: their code over emulated instructions. */
import { NativeBackend } from "../../ffi/native_backend.ts";
import { NativeLibrary } from "../../ffi/native_library.ts";
import { emulatedLibrary } from "../native/build_emulated.ts";
import { backendSuite, bf16UnitSuite, indexSuite } from "./backend_suite.ts";
import type { OpenBackend } from "./subject.ts";

const path = await emulatedLibrary();
if (path === null) {
  console.log("The emulated units are skipped as no C++ compiler answers or this is no x86-64");
  Deno.test({ name: "the emulated units equal the reference", ignore: true, fn: () => {} });
} else {
  const library = NativeLibrary.load(path);
  const opening = (isa: string, compute: "f32" | "bf16"): OpenBackend => () => {
    library.start(2, isa);
    return Promise.resolve(new NativeBackend(library, compute));
  };
  backendSuite("avx512-emulated", opening("avx512-emulated", "f32"));
  indexSuite("avx512-emulated", opening("avx512-emulated", "f32"));
  for (const isa of ["avx512bf16-emulated", "amx-emulated"]) {
    bf16UnitSuite(isa, opening(isa, "bf16"));
  }
}
