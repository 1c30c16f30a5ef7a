/** Tests that need a Jupyter: skipped with a notice where there is none, unless it is required. */
import { isRequired } from "../required.ts";
import { findPython, HOW_TO_INSTALL } from "./jupyter.ts";

const python = await findPython();
const skipped = !python && !isRequired("jupyter");
if (skipped) console.log(`Tests with a Deno kernel are skipped: ${HOW_TO_INSTALL}`);

/** Registers a test that is given a Python with nbclient, unless it is to be ignored. */
export function jupyterTest(
  name: string,
  body: (python: string) => Promise<void>,
  { ignore = false }: { readonly ignore?: boolean } = {},
): void {
  Deno.test({
    name,
    ignore: skipped || ignore,
    fn() {
      if (!python) throw new Error(HOW_TO_INSTALL);
      return body(python);
    },
  });
}
