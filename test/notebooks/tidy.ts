/** Takes out of a notebook what differs from run to run or from front end to front end, so that git shows less. */
import { createHash } from "node:crypto";
import { type Cell, joined, type Multiline, type Notebook, type Output } from "./notebook.ts";

/** Id that a figure gives its root element: a count, which updates of live views raise, and something random. */
const FIGURE_ID = /\bll-\d+-[0-9a-f]{8}\b/g;

/** The notebook without times, and with ids of figures that are the same in each run of the notebook of this name. */
export function tidy(notebook: Notebook, name: string): Notebook {
  const ids = new Map<string, string>();
  const stable = (id: string) => ids.getOrInsertComputed(id, () => figureId(name, ids.size + 1));
  return { ...notebook, cells: notebook.cells.map((cell) => tidyCell(cell, stable)) };
}

function tidyCell(cell: Cell, stableId: (id: string) => string): Cell {
  const { execution: _, ...metadata } = cell.metadata;
  const tidied = { ...cell, metadata };
  // `deno fmt --check` takes a text without a line's end for badly formatted.
  if (cell.cell_type === "markdown") return { ...tidied, source: endLine(cell.source) };
  if (!cell.outputs) return tidied;
  return { ...tidied, outputs: cell.outputs.map((output) => tidyOutput(output, stableId)) };
}

function endLine(source: Multiline): Multiline {
  const text = joined(source).trimEnd();
  return text === "" ? [] : `${text}\n`.split(/(?<=\n)/);
}

function tidyOutput(output: Output, stableId: (id: string) => string): Output {
  if (!output.data) return output;
  const data = JSON.stringify(output.data).replaceAll(FIGURE_ID, stableId);
  return { ...output, data: JSON.parse(data) };
}

function figureId(name: string, count: number): string {
  const hash = createHash("sha256").update(`${name} ${count}`).digest("hex");
  return `ll-${count}-${hash.slice(0, 8)}`;
}
