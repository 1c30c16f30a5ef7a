/**
 * `deno task notebooks [files...]`: executes notebooks with the real kernel and stores their outputs; without files
 * all of `notebooks/` but those whose models are missing. A notebook that fails stays as it is.
 *
 * The exit status is 1 where a notebook fails, 2 for wrong options, 3 where there is no Jupyter.
 */
import { parseArgs } from "node:util";
import { findPython, HOW_TO_INSTALL, installJupyter } from "./jupyter.ts";
import { missingModels } from "./needed_models.ts";
import { allNotebooks, readNotebook } from "./notebook.ts";
import { runNotebook, type RunOptions } from "./run_notebook.ts";
import { wholeNumber } from "../../lib/cli/option_values.ts";

const USAGE = `Options of deno task notebooks:
  --check           execute a copy and compare; nothing is written
  --install         install Jupyter into the cache where there is none, and do nothing else
  --cell-seconds N  time that a cell may take (300)
  --seconds N       time that a notebook may take (900)`;

const FAILED = 1;
const WRONG_OPTIONS = 2;
const NO_JUPYTER = 3;

interface Job extends Omit<RunOptions, "python"> {
  readonly files: readonly string[];
  readonly install: boolean;
  readonly help: boolean;
}

function readOptions(args: readonly string[]): Job {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      check: flag,
      install: flag,
      help: flag,
      "cell-seconds": { ...text, default: "300" },
      seconds: { ...text, default: "900" },
    },
  });
  return {
    files: positionals,
    check: values.check,
    install: values.install,
    help: values.help,
    cellSeconds: wholeNumber("cell-seconds", values["cell-seconds"], 1),
    seconds: wholeNumber("seconds", values.seconds, 1),
  };
}

async function main(args: readonly string[]): Promise<number> {
  const job = options(args);
  if (typeof job === "string") return say(job, WRONG_OPTIONS);
  if (job.help) return say(USAGE, 0);
  const python = await jupyter();
  if (!python) return say(HOW_TO_INSTALL, NO_JUPYTER);
  if (job.install) return say(`${python} executes notebooks`, 0);
  return await runAll(job, python);
}

function options(args: readonly string[]): Job | string {
  try {
    return readOptions(args);
  } catch (error) {
    return (error as Error).message;
  }
}

/** A Python that executes notebooks: one that is there, or one that is installed now; the user's choice is final. */
async function jupyter(): Promise<string | undefined> {
  const found = await findPython();
  if (found || Deno.env.get("LONGLENS_JUPYTER")) return found;
  console.log("Installing Jupyter into the cache");
  try {
    return await installJupyter();
  } catch (error) {
    console.error((error as Error).message);
  }
}

async function runAll({ files, ...how }: Job, python: string): Promise<number> {
  let status = 0;
  for (const file of files.length > 0 ? files : await possibleNotebooks()) {
    const start = performance.now();
    const { right, lines } = await runNotebook(file, { ...how, python });
    for (const line of lines) console.log(line);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${file}: ${right ? "right" : "wrong"} (${seconds} s)`);
    if (!right) status = FAILED;
  }
  return status;
}

/** Notebooks of the checkout that have the models they need here. */
async function possibleNotebooks(): Promise<string[]> {
  const possible: string[] = [];
  for (const file of await allNotebooks()) {
    const missing = await missingModels(await readNotebook(file));
    if (missing) console.log(`${file}: left out, ${missing}`);
    else possible.push(file);
  }
  return possible;
}

function say(text: string, status: number): number {
  (status === 0 ? console.log : console.error)(text);
  return status;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
