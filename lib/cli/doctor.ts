/** `deno task doctor`: shows whether the native library can be used here, and what to do where it cannot. */
import { diagnose, type Diagnosis } from "../../ffi/doctor.ts";

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
    line("Backend", native ? "cpu" : "reference"),
    line("Isa", native ? `${native.isa} of ${native.available.join(", ")}` : "-"),
    line("Compute", native?.compute ?? "f32"),
    line("Threads", native ? String(native.threads) : "1"),
    line("Permissions", given.join(", ") || "none in full"),
    ...diagnosis.problems.map((problem) => line("To do", problem)),
  ];
}

function line(label: string, value: string): string {
  return label.padEnd(LABEL_WIDTH) + value;
}

console.log(lines(await diagnose()).join("\n"));
