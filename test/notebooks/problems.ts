/** What may be wrong with a notebook that was executed, or with the outputs it is stored with. */
import type { Execution } from "./execute.ts";
import { type Cell, joined, type Multiline, type Notebook, type Output } from "./notebook.ts";

/** Tag of a code cell that is to print nothing. */
export const QUIET = "quiet";

const WARN_BYTES = 1_000_000;
const MOST_BYTES = 5_000_000;

/** Something that is wrong. */
export interface Problem {
  /** The cell, counted from 0 over all cells; `null` for the notebook. */
  readonly cell: number | null;
  /** What it is. */
  readonly text: string;
  /** Whether it is only to be looked at. */
  readonly warning?: boolean;
}

/** The problem as a line that names the notebook and the cell, counted from 1. */
export function problemText(file: string, { cells }: Notebook, problem: Problem): string {
  const { cell, text, warning } = problem;
  const kind = warning ? "warning: " : "";
  if (cell === null) return `${file}: ${kind}${text}`;
  const first = joined(cells[cell]!.source).trim().split("\n")[0]!;
  return `${file}, cell ${cell + 1} \`${first}\`: ${kind}${text}`;
}

/** What went wrong while a notebook ran: errors, kernels that died, time that ran out, output in a wrong cell. */
export function executionProblems({ runs, stopped, log }: Execution): Problem[] {
  const found: Problem[] = runs.flatMap(({ cell, error, strays }) => [
    ...(error ? [{ cell, text: `throws ${error.ename}: ${error.evalue}` }] : []),
    ...[...new Set(strays.map(({ from, into }) => strayText(from, into)))].map((text) => ({
      cell,
      text,
    })),
  ]);
  if (!stopped) return found;
  const text = stopped.why === "dead"
    ? `the kernel died; it printed: ${log.trim()}`
    : "takes longer than it may";
  return [...found, { cell: stopped.cell, text }];
}

/** What is wrong with the outputs of a notebook. `privatePaths` are folders that outputs must not name. */
export function outputProblems(notebook: Notebook, privatePaths: readonly string[]): Problem[] {
  const forbidden = pathPattern(privatePaths);
  const kernel = (notebook.metadata.kernelspec as { name?: string } | undefined)?.name;
  const found = notebook.cells.flatMap((cell, index) =>
    cellProblems(cell, forbidden).map((problem) => ({ cell: index, ...problem }))
  );
  if (kernel === "deno") return found;
  const text = `the kernel must be deno: current value is ${kernel ?? "none"}`;
  return [{ cell: null, text }, ...found];
}

/** Cells of which another kind of output is stored than was made now. */
export function staleProblems(stored: Notebook, executed: Notebook): Problem[] {
  return executed.cells.flatMap((cell, index) => {
    const [now, before] = [shape(cell), shape(stored.cells[index]!)];
    if (now === before) return [];
    return [{
      cell: index,
      text: `stored output is not what it makes: ${before || "none"} is stored, ${now} is made`,
    }];
  });
}

function strayText(from: number, into: number | null): string {
  if (into === null) return `output of cell ${from + 1} comes after its end`;
  return `output of cell ${from + 1} comes while this cell runs`;
}

type CellProblem = Omit<Problem, "cell">;

function cellProblems(cell: Cell, forbidden: RegExp): CellProblem[] {
  if (cell.cell_type !== "code") return [];
  if (joined(cell.source).trim() === "") return [{ text: "is empty" }];
  const outputs = cell.outputs ?? [];
  const quiet = cell.metadata.tags?.includes(QUIET);
  if (outputs.length === 0 && !quiet) return [{ text: `has no output and no tag "${QUIET}"` }];
  return outputs.flatMap((output) => [
    ...(output.output_type === "error" ? [{ text: `stores an error: ${output.ename}` }] : []),
    ...sizeProblems(output),
    ...pathProblems(output, forbidden),
  ]);
}

function sizeProblems(output: Output): CellProblem[] {
  const bytes = new TextEncoder().encode(values(output).map(([, text]) => text).join("")).length;
  if (bytes <= WARN_BYTES) return [];
  const text = `an output has ${(bytes / 1e6).toFixed(1)} MB`;
  return [bytes > MOST_BYTES ? { text } : { text, warning: true }];
}

function pathProblems(output: Output, forbidden: RegExp): CellProblem[] {
  return values(output).filter(([type]) => !isBinary(type)).flatMap(([type, text]) => {
    const match = forbidden.exec(withoutDataUris(text));
    return match ? [{ text: `${type} names a place on this machine: ${match[0]}` }] : [];
  });
}

/** Texts of an output, each with what it is. */
function values({ name, text, traceback, data = {} }: Output): [type: string, text: string][] {
  const stream: [string, string][] = text === undefined ? [] : [[name!, joined(text)]];
  const error: [string, string][] = traceback ? [["traceback", traceback.join("\n")]] : [];
  const media = Object.entries(data).map(([type, value]): [string, string] => [
    type,
    isText(value) ? joined(value) : JSON.stringify(value),
  ]);
  return [...stream, ...error, ...media];
}

function isText(value: Multiline | object): value is Multiline {
  return typeof value === "string" || Array.isArray(value);
}

function isBinary(type: string): boolean {
  return type.startsWith("image/") && type !== "image/svg+xml";
}

function withoutDataUris(text: string): string {
  return text.replace(/data:[\w/+.-]*;base64,[\w+/=]*/g, "");
}

function pathPattern(folders: readonly string[]): RegExp {
  const escaped = folders.filter((path) => path.length > 1)
    .map((path) => path.replace(/\/$/, "").replaceAll(/[^\w/]/g, "\\$&"));
  const whole = escaped.map((path) => `(?<![\\w.-])${path}(?![\\w.-])`);
  return new RegExp(["file://", ...whole].join("|"));
}

/** Kinds of a cell's outputs, in order. */
function shape({ outputs = [] }: Cell): string {
  return outputs.map(({ output_type, name, data }) =>
    `${output_type} (${name ?? Object.keys(data ?? {}).sort().join(", ")})`
  ).join("; ");
}
