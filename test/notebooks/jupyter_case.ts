/** Tests that need a Jupyter: skipped with a notice where there is none, unless it is required. */
import { isRequired } from "../required.ts";
import { findPython, HOW_TO_INSTALL } from "./jupyter.ts";

const python = await findPython();
const skipped = !python && !isRequired("jupyter");
if (skipped) console.log(`Tests with a Deno kernel are skipped: ${HOW_TO_INSTALL}`);

/** Registers a test that is given a Python with nbclient. */
export function jupyterTest(name: string, body: (python: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: skipped,
    fn() {
      if (!python) throw new Error(HOW_TO_INSTALL);
      return body(python);
    },
  });
}
