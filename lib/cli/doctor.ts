/** `deno task doctor`: shows whether the native library can be used here, and what to do where it cannot. */
import { parseArgs } from "node:util";
import type { CudaDiagnosis } from "../../ffi/cuda_doctor.ts";
import { diagnose, type Diagnosis } from "../../ffi/doctor.ts";
import { command } from "./command.ts";

const USAGE =
  "deno task doctor shows whether the native library can be used here; it has no options";
const LABEL_WIDTH = 14;

function lines(diagnosis: Diagnosis): string[] {
  const { library, native, permissions } = diagnosis;
  const given = Object.keys(permissions).filter((name) => permissions[name]);
  return [
    line("Deno", diagnosis.deno),
    line("Platform", diagnosis.platform),
    line("Compiler", diagnosis.compiler ?? "none"),
    line("ABI", String(diagnosis.abi)),
    line("Sources", diagnosis.sourceKey),
    ...diagnosis.folders.map((folder) => line("Looked in", folder)),
    line("Library", library ? `${library.path} (${library.source})` : "none"),
    line("Backend", backendOf(diagnosis)),
    line("Isa", native ? `${native.isa} of ${native.available.join(", ")}` : "-"),
    ...diagnosis.leftOut.map(({ isa, reason }) => line("Left out", `${isa}, as ${reason}`)),
    line("Compute", native?.compute ?? "f32"),
    line("Threads", native ? String(native.threads) : "1"),
    ...cudaLines(diagnosis.cuda),
    line("Permissions", given.join(", ") || "none in full"),
    ...diagnosis.problems.map((problem) => line("To do", problem)),
  ];
}

/** What `auto` opens. */
function backendOf({ cuda, native }: Diagnosis): string {
  if (cuda.native) return "cuda";
  return native ? "cpu" : "reference";
}

function cudaLines({ device, compiler, library, native, missing }: CudaDiagnosis): string[] {
  if (!device) return [line("CUDA", `not used as ${missing.join("; ")}`)];
  const memory = `${(device.memoryBytes / 2 ** 30).toFixed(0)} GiB`;
  return [
    line("CUDA device", `${device.name}, capability ${device.capability}, ${memory}`),
    line("CUDA driver", device.driver),
    line("CUDA compiler", compiler ?? "none"),
    line("CUDA library", library ? `${library.path} (${library.source})` : "none"),
    line("CUDA isa", native ? `${native.isa} of ${native.available.join(", ")}` : "-"),
    ...missing.map((problem) => line("CUDA to do", problem)),
  ];
}

function line(label: string, value: string): string {
  return label.padEnd(LABEL_WIDTH) + value;
}

async function main(): Promise<void> {
  const { help } = parseArgs({ options: { help: { type: "boolean" } } }).values;
  console.log(help ? USAGE : lines(await diagnose()).join("\n"));
}

if (import.meta.main) await command("doctor", main);
