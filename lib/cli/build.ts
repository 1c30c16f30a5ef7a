/** `deno task build`: builds the native library into the checkout's `.build`, unless it is there. */
import {
  buildLibrary,
  type BuildProgress,
  leftOutOf,
  removeOtherLibraries,
} from "../../ffi/build.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { libraryFolders } from "../../ffi/library.ts";

const folder = libraryFolders()[0]!.path;
const start = performance.now();

function show({ done, total, step }: BuildProgress): void {
  console.log(`[${done}/${total}] ${step}`);
}

try {
  const path = await buildLibrary(folder, { onProgress: show });
  await removeOtherLibraries(path);
  console.log(`${path} is up to date after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const isas = leftOutOf(path).join(", ");
  if (isas) {
    console.log(`It lacks ${isas}, which this compiler does not know: see deno task doctor`);
  }
} catch (error) {
  if (!(error instanceof LibraryError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
