/** Opening of model files. */
import { ModelFormatError } from "../../ffi/errors.ts";

/** Opens the file at `path`, which messages call `name`. One that is absent throws `ModelFormatError`. */
export async function openModelFile(path: string, name: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new ModelFormatError(
      `Cannot read ${name} as it does not exist: current value is ${path}`,
      { cause },
    );
  }
}
