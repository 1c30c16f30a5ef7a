import { type Compiler, findCompiler } from "../ffi/compiler.ts";
import { LibraryError } from "../ffi/errors.ts";

/** The C++ compiler; null where none answers. */
export async function compilerOrNull(): Promise<Compiler | null> {
  try {
    return await findCompiler();
  } catch (error) {
    if (error instanceof LibraryError) return null;
    throw error;
  }
}
