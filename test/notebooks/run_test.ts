import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { inFolder } from "../in_folder.ts";
import { jupyterTest } from "./jupyter_case.ts";
import { codeNotebook, notebookText } from "./notebook.ts";
import { runNotebook } from "./run_notebook.ts";

const RUN = fileURLToPath(new URL("run.ts", import.meta.url));

/** Displays a figure with a random id. */
const FIGURE = `const id = "ll-1-" + crypto.randomUUID().slice(0, 8);
Deno.jupyter.html([\`<div id="\${id}"></div>\`]);`;

async function write(path: string, ...cells: string[]): Promise<string> {
  const text = notebookText(codeNotebook(...cells));
  await Deno.writeTextFile(path, text);
  return text;
}

jupyterTest(
  "runNotebook() stores outputs, and the same again the next time",
  (python) =>
    inFolder(async (folder) => {
      const path = `${folder}/a.ipynb`;
      await write(path, FIGURE, `console.log("a line")`);
      assertEquals(await runNotebook(path, { python }), { right: true, lines: [] });
      const first = await Deno.readTextFile(path);
      assertMatch(first, /"<div id=\\"ll-1-[0-9a-f]{8}\\">/);
      assertStringIncludes(first, `"a line\\n"`);
      assert((await runNotebook(path, { python })).right);
      assertEquals(await Deno.readTextFile(path), first);
    }),
);

jupyterTest(
  "runNotebook() with check writes nothing and finds outputs that are not stored",
  (python) =>
    inFolder(async (folder) => {
      const path = `${folder}/a.ipynb`;
      const text = await write(path, `console.log("a line")`);
      const { right, lines } = await runNotebook(path, { python, check: true });
      assertEquals(right, false);
      assertEquals(lines, [
        'a.ipynb, cell 1 `console.log("a line")`: stored output is not what it makes: none is stored, stream (stdout) is made',
      ]);
      assertEquals(await Deno.readTextFile(path), text);
    }),
);

jupyterTest(
  "deno task notebooks fails with 1, names the cell and keeps the file of a wrong notebook",
  () =>
    inFolder(async (folder) => {
      const path = `${folder}/a.ipynb`;
      const text = await write(path, "1", `throw new Error("a reason")`);
      const { code, out } = await run([path]);
      assertEquals(code, 1);
      assertStringIncludes(
        out,
        'a.ipynb, cell 2 `throw new Error("a reason")`: throws Error: a reason',
      );
      assertEquals(await Deno.readTextFile(path), text);
    }),
);

Deno.test("deno task notebooks ends with 2 for wrong options and with 3 without Jupyter", async () => {
  const wrong = await run(["--seconds", "long"]);
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.out, "--seconds must be a whole number >= 1: current value is long");
  assertEquals((await run(["--chek"])).code, 2);
  const absent = await run([], { LONGLENS_JUPYTER: "/nowhere/jupyter" });
  assertEquals(absent.code, 3);
  assertStringIncludes(absent.out, "deno task notebooks --install");
});

async function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", RUN, ...args],
    env: { NO_COLOR: "1", ...env },
  });
  const { code, stdout, stderr } = await command.output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: `${out}${error}` };
}
