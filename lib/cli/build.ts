/** `deno task build`: builds the native library into the checkout's `.build`, unless it is there. */
import { parseArgs } from "node:util";
import {
  buildLibrary,
  type BuildProgress,
  leftOutOf,
  removeOtherLibraries,
} from "../../ffi/build.ts";
import { libraryFolders } from "../../ffi/library.ts";
import { command } from "./command.ts";

const USAGE = "deno task build builds the native library; it has no options";

function show({ done, total, step }: BuildProgress): void {
  console.log(`[${done}/${total}] ${step}`);
}

async function main(): Promise<void> {
  const { help } = parseArgs({ options: { help: { type: "boolean" } } }).values;
  if (help) return console.log(USAGE);
  const start = performance.now();
  const path = await buildLibrary(libraryFolders()[0]!.path, { onProgress: show });
  await removeOtherLibraries(path);
  console.log(`${path} is up to date after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const isas = leftOutOf(path).join(", ");
  if (isas) {
    console.log(`It lacks ${isas}, which this compiler does not know: see deno task doctor`);
  }
}

if (import.meta.main) await command("build", main);
