import { assertEquals, assertMatch } from "@std/assert";
import type { Execution } from "./execute.ts";
import { codeNotebook, type Notebook, type Output } from "./notebook.ts";
import {
  executionProblems,
  outputProblems,
  problemText,
  QUIET,
  staleProblems,
} from "./problems.ts";

const LOG = { output_type: "stream", name: "stdout", text: ["a line\n"] };

function withOutputs(...outputs: readonly Output[]): Notebook {
  const notebook = codeNotebook("run()");
  return { ...notebook, cells: [{ ...notebook.cells[0]!, outputs }] };
}

function shown(type: string, value: string): Notebook {
  return withOutputs({ output_type: "display_data", data: { [type]: value } });
}

const texts = (notebook: Notebook, paths: readonly string[] = []) =>
  outputProblems(notebook, paths).map(({ text }) => text);

Deno.test("outputProblems() wants output of every code cell but those tagged quiet", () => {
  assertEquals(texts(withOutputs(LOG)), []);
  assertEquals(texts(codeNotebook("run()")), [`has no output and no tag "quiet"`]);
  assertEquals(texts(codeNotebook({ source: "run()", tags: [QUIET] })), []);
  assertEquals(texts(codeNotebook({ source: " \n", tags: [QUIET] })), ["is empty"]);
});

Deno.test("outputProblems() finds stored errors and another kernel", () => {
  const error = { output_type: "error", ename: "TypeError", evalue: "no", traceback: ["at x"] };
  assertEquals(texts(withOutputs(error)), ["stores an error: TypeError"]);
  const python = { ...withOutputs(LOG), metadata: { kernelspec: { name: "python3" } } };
  assertEquals(outputProblems(python, []), [
    { cell: null, text: "the kernel must be deno: current value is python3" },
  ]);
});

Deno.test("outputProblems() warns above 1 MB and fails above 5 MB of an output", () => {
  assertEquals(outputProblems(shown("text/html", "x".repeat(1e6)), []), []);
  assertEquals(outputProblems(shown("text/html", "é".repeat(600_000)), []), [
    { cell: 0, text: "an output has 1.2 MB", warning: true },
  ]);
  assertEquals(outputProblems(shown("image/png", "x".repeat(5.1e6)), []), [
    { cell: 0, text: "an output has 5.1 MB" },
  ]);
});

Deno.test("outputProblems() finds places of this machine in any text, but not in pictures", () => {
  const paths = ["/srv/my.work/", "/"];
  assertMatch(texts(shown("text/html", `<img src="file:///a">`), paths)[0]!, /file:\/\//);
  assertMatch(texts(shown("text/plain", "see /srv/my.work/a.ts"), paths)[0]!, /\/srv\/my\.work$/);
  assertEquals(texts(shown("application/json", "in /srv/my.work"), paths).length, 1);
  assertEquals(
    texts(shown("text/plain", "/srv/my-work /srv/my.works /var/srv/my.work / a/b"), paths),
    [],
  );
  assertEquals(texts(shown("image/png", "AA/srv/my.work/AA"), ["/srv/my"]), []);
  const picture = `<img src="data:image/png;base64,AA/srv/my/AA==">`;
  assertEquals(texts(shown("text/html", picture), ["/srv/my"]), []);
  assertEquals(texts(shown("text/html", `${picture}/srv/my`), ["/srv/my"]).length, 1);
});

Deno.test("staleProblems() names cells whose stored output is of another kind", () => {
  const [none, log] = [codeNotebook("run()"), withOutputs(LOG)];
  assertEquals(staleProblems(log, withOutputs({ ...LOG, text: "other words\n" })), []);
  assertEquals(staleProblems(none, log).map(({ text }) => text), [
    "stored output is not what it makes: none is stored, stream (stdout) is made",
  ]);
  assertEquals(staleProblems(shown("text/html", "a"), shown("image/png", "a")).length, 1);
});

Deno.test("executionProblems() names errors, strays once, and the cell that was stopped", () => {
  const stray = { from: 0, into: 1 };
  const execution: Execution = {
    notebook: codeNotebook("a", "b"),
    runs: [
      { cell: 0, error: null, strays: [{ from: 0, into: null }] },
      { cell: 1, error: { ename: "Error", evalue: "no" }, strays: [stray, stray] },
    ],
    stopped: { why: "dead", cell: 2 },
    log: "panicked\n",
  };
  assertEquals(executionProblems(execution), [
    { cell: 0, text: "output of cell 1 comes after its end" },
    { cell: 1, text: "throws Error: no" },
    { cell: 1, text: "output of cell 1 comes while this cell runs" },
    { cell: 2, text: "the kernel died; it printed: panicked" },
  ]);
});

Deno.test("problemText() names the notebook, the cell counted from 1, and its first line", () => {
  const notebook = codeNotebook("one", "\ntwo();\nthree();");
  const problem = { cell: 1, text: "is wrong", warning: true };
  assertEquals(
    problemText("a.ipynb", notebook, problem),
    "a.ipynb, cell 2 `two();`: warning: is wrong",
  );
  assertEquals(problemText("a.ipynb", notebook, { cell: null, text: "bad" }), "a.ipynb: bad");
});
