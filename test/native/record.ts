/** `record.ts FOLDER all|counted`: records a set of cases. Needs the import map of `test/setup.ts`. */
import { CASES } from "./cases.ts";
import { recordCounted } from "./cases_counted.ts";
import { recordCases } from "./record_cases.ts";

if (import.meta.main) {
  const [folder, set] = Deno.args;
  if (set === "counted") await recordCounted(folder!);
  else await recordCases(`${folder}/all.cases`, CASES);
}
