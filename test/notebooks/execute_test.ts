import { assertEquals, assertThrows } from "@std/assert";
import { executeNotebook, type ExecuteOptions, type Execution } from "./execute.ts";
import { inFolder } from "../in_folder.ts";
import { jupyterTest } from "./jupyter_case.ts";
import { codeNotebook, joined, notebookText, type Output } from "./notebook.ts";

/** Executes cells as a notebook in a folder of their own. */
async function execute(
  cells: readonly string[],
  options: ExecuteOptions,
  prepare: (folder: string) => Promise<void> = () => Promise.resolve(),
): Promise<Execution> {
  const results: Execution[] = [];
  await inFolder(async (folder) => {
    await prepare(folder);
    const path = `${folder}/a.ipynb`;
    await Deno.writeTextFile(path, notebookText(codeNotebook(...cells)));
    results.push(await executeNotebook(path, options));
  });
  return results[0]!;
}

function outputs({ notebook }: Execution, cell: number): readonly Output[] {
  return notebook.cells[cell]!.outputs!;
}

function plain({ text, data }: Output): string {
  return joined(text ?? data!["text/plain"] as string);
}

const sleep = (ms: number) => `await new Promise((resolve) => setTimeout(resolve, ${ms}));`;
const show = (text: string) => `Deno.jupyter.display({ "text/plain": ${text} }, { raw: true });`;

jupyterTest(
  "executeNotebook() keeps bursts of output in their cells and in order",
  async (python) => {
    const burst = `for (let x = 0; x < 40; x++) { console.log(x); await ${
      show('"shown" + x')
    } } "end"`;
    const execution = await execute([burst, burst, "1;"], { python });
    const texts = Array.from({ length: 40 }, (_, x) => [`${x}\n`, `shown${x}`]).flat();
    for (const cell of [0, 1]) {
      const made = outputs(execution, cell);
      assertEquals(made.slice(0, -1).map(plain), texts);
      assertEquals(made.at(-1)!.output_type, "execute_result");
    }
    assertEquals(outputs(execution, 2).length, 1);
    assertEquals(execution.runs.map(({ strays }) => strays), [[], [], []]);
  },
);

jupyterTest("executeNotebook() reports output of a cell that no longer runs", async (python) => {
  const cells = [
    `const gate = Promise.withResolvers();
    gate.promise.then(() => console.log("late"));
    (async () => { await gate.promise; ${show('"late"')} })();`,
    `gate.resolve(); ${sleep(50)}`,
    `setInterval(() => console.log("still"), 10);`,
  ];
  const [first, second, third] = (await execute(cells, { python })).runs;
  assertEquals(first!.strays, []);
  assertEquals(second!.strays, [{ from: 0, into: 1 }, { from: 0, into: 1 }]);
  assertEquals(third!.strays[0], { from: 2, into: null });
});

jupyterTest(
  "executeNotebook() takes a replaced display for output of the cell that showed it",
  async (python) => {
    const display = (text: string, update: boolean) =>
      `await Deno.jupyter.display({ "text/plain": "${text}" }, { raw: true, display_id: "a", update: ${update} });`;
    const cells = [
      `${display("first", false)} setTimeout(async () => { ${display("last", true)} }, 300);`,
      sleep(500),
    ];
    const execution = await execute(cells, { python });
    assertEquals(outputs(execution, 0).map(plain).includes("last"), true);
    assertEquals(execution.runs.flatMap(({ strays }) => strays), []);
  },
);

jupyterTest("executeNotebook() uses the running Deno, in the notebook's folder", async (python) => {
  const cells = [`import { word } from "./word.ts"; console.log(word, Deno.execPath());`];
  const execution = await execute(
    cells,
    { python },
    (folder) => Deno.writeTextFile(`${folder}/word.ts`, `export const word: string = "near";`),
  );
  assertEquals(outputs(execution, 0).map(plain), [`near ${Deno.execPath()}\n`]);
});

jupyterTest(
  "executeNotebook() ends at the first cell that throws or cannot be read",
  async (python) => {
    for (const bad of [`throw new RangeError("wrong")`, `const = 3;`]) {
      const { runs, notebook } = await execute(["1", bad, "2"], { python });
      assertEquals(runs.map(({ error }) => error === null), [true, false]);
      assertEquals(notebook.cells[2]!.outputs, []);
      if (bad.startsWith("throw")) assertEquals(runs[1]!.error!.ename, "RangeError");
    }
  },
);

jupyterTest("executeNotebook() tells where the kernel died", async (python) => {
  const { stopped } = await execute(["1", "Deno.exit(3)", "2"], { python });
  assertEquals(stopped, { why: "dead", cell: 1 });
});

jupyterTest(
  "executeNotebook() ends a kernel whose cell takes too long",
  (python) =>
    inFolder(async (folder) => {
      const note = `Deno.writeTextFileSync("${folder}/pid", String(Deno.pid));`;
      const { stopped } = await execute([note, "while (true);"], { python, cellSeconds: 4 });
      assertEquals(stopped, { why: "timeout", cell: 1 });
      const pid = Number(await Deno.readTextFile(`${folder}/pid`));
      assertThrows(() => Deno.kill(pid, "SIGCONT"), Deno.errors.NotFound);
    }),
);
