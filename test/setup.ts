/**
 * Flags with which a child `deno` type-checks and runs the tests on this machine.
 *
 * They name an import map and a copy of the lock file in a temporary folder, so that nothing in the checkout is
 * written. Where JSR does not answer, `@std/assert` is `test/assert.ts`; npm packages are pinned by the lock as ever.
 */

const ROOT = new URL("../", import.meta.url);

/** Where `JSR_URL` or Deno's default says that packages are. */
const JSR = Deno.env.get("JSR_URL") ?? "https://jsr.io/";

/** How long JSR may take to answer. */
const JSR_TIMEOUT_MS = 2000;

/** Import map and lock file of a test run. */
export interface Setup {
  /** Arguments for `deno test`, `deno check`, `deno run`. */
  readonly flags: readonly string[];
  /** Whether JSR answered. */
  readonly jsr: boolean;
}

/** Writes import map and lock into `folder`. */
export async function setup(folder: string): Promise<Setup> {
  const jsr = await answers(new URL("@std/assert/meta.json", JSR));
  const map = `${folder}/import_map.json`;
  await Deno.writeTextFile(map, JSON.stringify({ imports: await imports(jsr) }));
  const lock = `${folder}/deno.lock`;
  const hasLock = await copyIfThere(new URL("deno.lock", ROOT), lock);
  return { flags: [`--import-map=${map}`, hasLock ? `--lock=${lock}` : "--no-lock"], jsr };
}

async function answers(url: URL): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(JSR_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function imports(jsr: boolean): Promise<Record<string, string>> {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const map: Record<string, string> = {};
  for (const [name, target] of Object.entries<string>(config.imports)) {
    Object.assign(map, entries(name, target));
  }
  return jsr ? map : { ...map, "@std/assert": new URL("test/assert.ts", ROOT).href };
}

/** The entry and, as `deno.json` implies it but an import map does not, the one of the package's subpaths. */
function entries(name: string, target: string): Record<string, string> {
  if (target.startsWith(".")) return { [name]: new URL(target, ROOT).href };
  const parts = target.match(/^(npm|jsr):(?!\/)(.*[^/])$/);
  return parts ? { [name]: target, [`${name}/`]: `${parts[1]}:/${parts[2]}/` } : { [name]: target };
}

async function copyIfThere(from: URL, to: string): Promise<boolean> {
  try {
    await Deno.copyFile(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
