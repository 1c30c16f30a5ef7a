import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { inFolder } from "../in_folder.ts";
import { codeNotebook, joined, type Notebook, notebookText } from "./notebook.ts";
import { tidy } from "./tidy.ts";

function figures(...ids: readonly string[]): Notebook {
  const notebook = codeNotebook("figure");
  const outputs = ids.map((id) => ({
    output_type: "display_data",
    data: { "text/html": [`<div id="${id}">\n`, `<script>"${id}"</script>`], "text/plain": id },
  }));
  return { ...notebook, cells: [{ ...notebook.cells[0]!, outputs }] };
}

Deno.test("tidy() gives figures the same ids in every run, each its own", () => {
  const first = tidy(figures("ll-1-0123abcd", "ll-2-89abcdef"), "a.ipynb");
  assertEquals(tidy(figures("ll-1-ffffffff", "ll-7-00000000"), "a.ipynb"), first);
  const ids = [...JSON.stringify(first).matchAll(/ll-\d+-[0-9a-f]{8}/g)].map(([id]) => id);
  assertEquals(ids.length, 6);
  assertEquals(new Set(ids.slice(0, 3)).size, 1);
  assertEquals(new Set(ids).size, 2);
  assertNotEquals(tidy(figures("ll-1-0123abcd", "ll-2-89abcdef"), "b.ipynb"), first);
});

Deno.test("tidy() leaves out times, keeps tags, and changes nothing the second time", () => {
  const notebook = codeNotebook({ source: "a", tags: ["quiet"] });
  const timed = {
    ...notebook,
    cells: notebook.cells.map((cell) => ({
      ...cell,
      metadata: { ...cell.metadata, execution: { "iopub.status.idle": "now" } },
    })),
  };
  assertEquals(tidy(timed, "a.ipynb"), notebook);
  const once = tidy(figures("ll-1-0123abcd"), "a.ipynb");
  assertEquals(tidy(once, "a.ipynb"), once);
});

Deno.test("tidy() ends texts so that deno fmt finds them formatted, also without its cache", () =>
  inFolder(async (folder) => {
    const text = {
      cell_type: "markdown",
      id: "a",
      metadata: {},
      source: ["# Title\n", "\n", "Text"],
    };
    const notebook = codeNotebook("const x = 1;");
    const tidied = tidy({ ...notebook, cells: [text, ...notebook.cells] }, "a.ipynb");
    assertEquals(joined(tidied.cells[0]!.source), "# Title\n\nText\n");
    const path = `${folder}/a.ipynb`;
    await Deno.writeTextFile(path, notebookText(tidied));
    const fmt = new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--check", "--no-config", path],
      env: { DENO_DIR: folder },
      stdout: "null",
      stderr: "null",
    });
    assert((await fmt.output()).success);
  }));
