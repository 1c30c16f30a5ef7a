/** Executes a notebook, judges it, and stores its outputs or compares them with those it has. */
import { homedir, tmpdir } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { executeNotebook, type ExecuteOptions, type Execution } from "./execute.ts";
import { type Notebook, notebookText, readNotebook } from "./notebook.ts";
import { executionProblems, outputProblems, type Problem, problemText } from "./problems.ts";
import { staleProblems } from "./problems.ts";
import { tidy } from "./tidy.ts";

/** How to run. */
export interface RunOptions extends ExecuteOptions {
  /**
   * Compare with what is stored, and write nothing.
   * @default false
   */
  readonly check?: boolean;
}

/** What came of a notebook. */
export interface Verdict {
  /** Whether nothing is wrong, but for warnings. */
  readonly right: boolean;
  /** A line for each problem. */
  readonly lines: readonly string[];
}

/** Executes the notebook at `path`. Its outputs are stored unless something is wrong or `check` is set. */
export async function runNotebook(
  path: string,
  { check = false, ...options }: RunOptions,
): Promise<Verdict> {
  const stored = await readNotebook(path);
  const execution = await executeNotebook(path, options);
  const executed = tidy(execution.notebook, basename(path));
  const problems = judge(execution, executed, check ? stored : executed);
  const right = problems.every(({ warning }) => warning);
  if (right && !check) await Deno.writeTextFile(path, notebookText(executed));
  return { right, lines: problems.map((one) => problemText(basename(path), executed, one)) };
}

/** Problems of the execution; where it has none those of the outputs, made or stored. */
function judge(execution: Execution, executed: Notebook, stored: Notebook): Problem[] {
  const failures = executionProblems(execution);
  if (failures.length > 0) return failures;
  const stale = staleProblems(stored, executed);
  if (stale.length > 0) return stale;
  const found = [executed, stored].flatMap((notebook) => outputProblems(notebook, privatePaths()));
  return [
    ...new Map(found.map((problem) => [`${problem.cell} ${problem.text}`, problem])).values(),
  ];
}

/** Folders of this machine that no stored output may name. */
function privatePaths(): string[] {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  return [root, homedir(), tmpdir()];
}
