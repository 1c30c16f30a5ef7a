/** Finds a Python that can execute notebooks, or installs one, and describes this Deno to Jupyter as a kernel. */
import { basename, dirname } from "node:path";
import { cacheFolder } from "../../ffi/library.ts";
import { onPath } from "../on_path.ts";

/** What somebody without Jupyter is told. */
export const HOW_TO_INSTALL =
  "Jupyter is not there: run `deno task notebooks --install`, or install nbclient (`pip install nbclient`," +
  " `apt-get install python3-nbclient`), or set LONGLENS_JUPYTER to a `jupyter` or a Python that has it";

/** Package that brings the client of a kernel and the notebook format. */
const PACKAGE = "nbclient";

const COMMANDS = ["jupyter", "python3", "python"];

/**
 * The Python of `LONGLENS_JUPYTER`, else of the `jupyter` on the PATH, else the one on the PATH or in the cache, that
 * has `module`; `undefined` where none has.
 */
export async function findPython(module: string = PACKAGE): Promise<string | undefined> {
  for (const python of await candidates()) {
    if (await succeeds(python, ["-c", `import ${module}`])) return python;
  }
}

/** Installs what executing takes into the cache and returns its Python. */
export async function installJupyter(): Promise<string> {
  const folder = ownFolder();
  if (!folder) throw new Error("Cannot install Jupyter as no cache is known: set LONGLENS_CACHE");
  const python = `${folder}/bin/python`;
  const steps: [string, string[]][] = [
    ["python3", ["-m", "venv", folder]],
    [python, ["-m", "pip", "install", "-qq", PACKAGE]],
  ];
  for (const [command, args] of steps) {
    if (await succeeds(command, args, "inherit")) continue;
    throw new Error(`Cannot install Jupyter as this fails: ${command} ${args.join(" ")}`);
  }
  return python;
}

/** Writes the kernelspec of `deno jupyter --install`, for the Deno that runs this, into a Jupyter data folder. */
export async function writeKernelspec(dataFolder: string): Promise<void> {
  const folder = `${dataFolder}/kernels/deno`;
  await Deno.mkdir(folder, { recursive: true });
  const spec = {
    argv: [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"],
    display_name: "Deno",
    language: "typescript",
  };
  await Deno.writeTextFile(`${folder}/kernel.json`, JSON.stringify(spec));
}

async function candidates(): Promise<string[]> {
  const chosen = Deno.env.get("LONGLENS_JUPYTER");
  if (chosen) return await pythons(chosen);
  const found: string[] = [];
  for (const name of COMMANDS) {
    const command = await onPath(name);
    if (command) found.push(...await pythons(command));
  }
  const own = ownFolder();
  return own ? [...found, `${own}/bin/python`] : found;
}

/** Pythons that a command may belong to: itself, or those beside it and beside what it links to. */
async function pythons(command: string): Promise<string[]> {
  if (basename(command).startsWith("python")) return [command];
  const real = await Deno.realPath(command).catch(() => command);
  const folders = [...new Set([dirname(command), dirname(real)])];
  return folders.flatMap((folder) => [`${folder}/python3`, `${folder}/python`]);
}

function ownFolder(): string | undefined {
  const cache = cacheFolder();
  return cache && `${cache}/jupyter`;
}

async function succeeds(
  command: string,
  args: readonly string[],
  stderr: "null" | "inherit" = "null",
): Promise<boolean> {
  const child = new Deno.Command(command, { args: [...args], stdout: "null", stderr });
  try {
    return (await child.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
