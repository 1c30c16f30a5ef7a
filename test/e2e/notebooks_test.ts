import { assertEquals } from "@std/assert";
import { basename } from "node:path";
import { jupyterTest } from "../notebooks/jupyter_case.ts";
import { missingModels } from "../notebooks/needed_models.ts";
import { allNotebooks, readNotebook } from "../notebooks/notebook.ts";
import { runNotebook } from "../notebooks/run_notebook.ts";

// Notebooks that read long texts take shorter ones here.
Deno.env.set("LONGLENS_NOTEBOOK_TOKENS", "1280");

for (const path of await allNotebooks()) {
  const name = `notebooks/${basename(path)}`;
  const missing = await missingModels(await readNotebook(path));
  if (missing) console.log(`Skipped ${name}, which ${missing}`);
  jupyterTest(`${name} runs, and stores what it makes`, async (python) => {
    const { right, lines } = await runNotebook(path, { python, check: true });
    for (const line of lines) console.log(line);
    assertEquals(right, true, lines.join("\n"));
  }, { ignore: missing !== null });
}
