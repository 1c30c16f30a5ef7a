import { assertEquals } from "@std/assert";
import { basename } from "node:path";
import { jupyterTest } from "../notebooks/jupyter_case.ts";
import { allNotebooks } from "../notebooks/notebook.ts";
import { runNotebook } from "../notebooks/run_notebook.ts";

for (const path of await allNotebooks()) {
  jupyterTest(`notebooks/${basename(path)} runs, and stores what it makes`, async (python) => {
    const { right, lines } = await runNotebook(path, { python, check: true });
    for (const line of lines) console.log(line);
    assertEquals(right, true, lines.join("\n"));
  });
}
