/** Executes notebooks with the real kernel, in a Jupyter that knows nothing of the user's. */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { writeKernelspec } from "./jupyter.ts";
import { type Notebook, readNotebook } from "./notebook.ts";

/** Seconds that a cell may go on printing after its end before it counts as over. */
const SETTLE_SECONDS = 0.1;

/** Seconds that the driver has to end by itself once its time is over. */
const GRACE_SECONDS = 20;

/** How to execute. */
export interface ExecuteOptions {
  /** A Python that has nbclient. */
  readonly python: string;
  /**
   * Seconds that a cell may take.
   * @default 300
   */
  readonly cellSeconds?: number;
  /**
   * Seconds that the notebook may take.
   * @default 900
   */
  readonly seconds?: number;
}

/** Output that was made while its cell did not run. */
export interface Stray {
  /** Cell that made it. */
  readonly from: number;
  /** Cell that ran then; `null` for none. */
  readonly into: number | null;
}

/** How a cell went. */
export interface CellRun {
  /** The cell, counted from 0 over all cells. */
  readonly cell: number;
  /** What it threw. */
  readonly error: { readonly ename: string; readonly evalue: string } | null;
  /** Output of earlier cells while it ran, and of any cell after its end. */
  readonly strays: readonly Stray[];
}

/** How a notebook went. */
export interface Execution {
  /** The notebook with its outputs; as it was where it was stopped. */
  readonly notebook: Notebook;
  /** Its code cells, up to the one that failed. */
  readonly runs: readonly CellRun[];
  /** Why it did not come to its end, and in which cell. */
  readonly stopped: { readonly why: "timeout" | "dead"; readonly cell: number | null } | null;
  /** What the kernel's process printed. */
  readonly log: string;
}

/** A line of the driver. */
interface Event extends Partial<CellRun> {
  readonly kernel?: number;
  readonly begins?: number;
  readonly stopped?: "timeout" | "dead";
}

/** Executes a copy of a notebook in the notebook's folder; the file itself stays as it is. */
export async function executeNotebook(path: string, options: ExecuteOptions): Promise<Execution> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-notebook-" });
  try {
    await writeKernelspec(folder);
    const events = await drive(resolve(path), folder, options);
    const stopped = events.find((event) => event.stopped)?.stopped;
    const begun = events.findLast((event) => event.begins !== undefined)?.begins ?? null;
    return {
      notebook: await readNotebook(stopped ? path : `${folder}/out.ipynb`),
      runs: events.filter((event): event is CellRun => event.cell !== undefined),
      stopped: stopped ? { why: stopped, cell: begun } : null,
      log: await Deno.readTextFile(`${folder}/log`),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function drive(path: string, folder: string, options: ExecuteOptions): Promise<Event[]> {
  const { python, cellSeconds = 300, seconds = 900 } = options;
  const job = {
    notebook: path,
    folder: dirname(path),
    out: `${folder}/out.ipynb`,
    log: `${folder}/log`,
    probe: beside("probe.js"),
    cell_seconds: cellSeconds,
    seconds,
    settle_seconds: SETTLE_SECONDS,
  };
  const child = new Deno.Command(python, {
    args: [beside("execute.py"), JSON.stringify(job)],
    env: jupyterEnv(folder),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), 1000 * (seconds + GRACE_SECONDS));
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const events = lines(stdout).map((line): Event => JSON.parse(line));
  if (success) return events;
  endKernel(events);
  throw new Error(`Cannot execute ${path}: ${lines(stderr).slice(-20).join("\n")}`);
}

/** Settings and kernels of a private folder, before any that the user or the Python has. */
export function jupyterEnv(folder: string): Record<string, string> {
  return {
    JUPYTER_PATH: folder,
    JUPYTER_DATA_DIR: folder,
    JUPYTER_CONFIG_DIR: `${folder}/config`,
    JUPYTER_RUNTIME_DIR: `${folder}/runtime`,
    PYTHONDONTWRITEBYTECODE: "1",
  };
}

/** Ends the kernel of a driver that was killed. It leads a process group. */
function endKernel(events: readonly Event[]): void {
  const kernel = events.find((event) => event.kernel !== undefined)?.kernel;
  if (kernel === undefined) return;
  try {
    Deno.kill(-kernel, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function lines(bytes: Uint8Array): string[] {
  return new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "");
}
