/** `deno task build`: builds the native library into the checkout's `.build`, unless it is there. */
import { buildLibrary, type BuildProgress, removeOldLibraries } from "../../ffi/build.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { libraryFolders } from "../../ffi/library.ts";

const folder = libraryFolders()[0]!.path;
const start = performance.now();

function show({ done, total, step }: BuildProgress): void {
  console.log(`[${done}/${total}] ${step}`);
}

try {
  const path = await buildLibrary(folder, { onProgress: show });
  await removeOldLibraries(folder);
  console.log(`${path} is up to date after ${((performance.now() - start) / 1000).toFixed(1)} s`);
} catch (error) {
  if (!(error instanceof LibraryError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
