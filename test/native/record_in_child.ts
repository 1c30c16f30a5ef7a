/** Records cases from a program that runs without the import map of the tests. */
import { fileURLToPath } from "node:url";
import { setup } from "../setup.ts";

const SCRIPT = fileURLToPath(new URL("record.ts", import.meta.url));

/** Records a set of cases into `folder`: `all.cases`, or what `recordCounted` writes. */
export async function recordInChild(folder: string, set: "all" | "counted"): Promise<void> {
  const { flags } = await setup(folder);
  const args = ["run", "--allow-all", "--quiet", ...flags, SCRIPT, folder, set];
  const { success } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (!success) throw new Error("Cannot record the cases: see above");
}
