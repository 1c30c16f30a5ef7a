/** Notebook files, as nbformat 4 describes them. */
import { fileURLToPath } from "node:url";

/** Folder of the notebooks. */
const FOLDER = new URL("../../notebooks/", import.meta.url);

/** Text in one piece, or in lines that keep their ends. */
export type Multiline = string | readonly string[];

/** An output of a code cell. */
export interface Output {
  /** `stream`, `display_data`, `execute_result` or `error`. */
  readonly output_type: string;
  /** Of a stream: `stdout` or `stderr`. */
  readonly name?: string;
  /** Of a stream. */
  readonly text?: Multiline;
  /** Of what is displayed: a value for each media type. */
  data?: Record<string, Multiline | object>;
  /** Of an error. */
  readonly ename?: string;
  /** Of an error. */
  readonly evalue?: string;
  /** Of an error. */
  readonly traceback?: readonly string[];
}

/** A cell of a notebook. */
export interface Cell {
  /** `code`, `markdown` or `raw`. */
  readonly cell_type: string;
  /** Name of the cell, unique in its notebook. */
  readonly id?: string;
  /** Tags, and what front ends store. */
  readonly metadata: { readonly tags?: readonly string[]; execution?: unknown };
  /** Its text. */
  source: Multiline;
  /** Of code cells: how many cells ran before it in its kernel. */
  readonly execution_count?: number | null;
  /** Of code cells. */
  readonly outputs?: readonly Output[];
}

/** A notebook. */
export interface Notebook {
  /** Its cells, from above. */
  readonly cells: readonly Cell[];
  /** Kernel and language. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Version of the format. */
  readonly nbformat: number;
  /** Version of the format. */
  readonly nbformat_minor: number;
}

/** The text in one piece. */
export function joined(text: Multiline): string {
  return typeof text === "string" ? text : text.join("");
}

/** Paths of the notebooks of the checkout, by name; none where there is no folder of them. */
export async function allNotebooks(): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const { name } of Deno.readDir(FOLDER)) {
      if (name.endsWith(".ipynb")) paths.push(fileURLToPath(new URL(name, FOLDER)));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return paths.sort();
}

/** Reads a notebook file. */
export async function readNotebook(path: string): Promise<Notebook> {
  return JSON.parse(await Deno.readTextFile(path));
}

/** Notebook as Jupyter writes it. */
export function notebookText(notebook: Notebook): string {
  return JSON.stringify(notebook, null, 1) + "\n";
}

/** Notebook of code cells, for the Deno kernel. A cell is its source, or a source and tags. */
export function codeNotebook(
  ...cells: readonly (string | { readonly source: string; readonly tags: readonly string[] })[]
): Notebook {
  return {
    cells: cells.map((cell, index) => {
      const { source, tags } = typeof cell === "string" ? { source: cell, tags: [] } : cell;
      return {
        cell_type: "code",
        execution_count: null,
        id: `cell-${index + 1}`,
        metadata: { tags },
        outputs: [],
        source,
      };
    }),
    metadata: { kernelspec: { display_name: "Deno", language: "typescript", name: "deno" } },
    nbformat: 4,
    nbformat_minor: 5,
  };
}
