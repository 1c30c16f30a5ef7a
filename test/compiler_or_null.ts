import { type Compiler, findCompiler, type Language } from "../ffi/compiler.ts";
import { LibraryError } from "../ffi/errors.ts";

/** The compiler of a language; null where none answers. */
export async function compilerOrNull(language: Language = "C++"): Promise<Compiler | null> {
  try {
    return await findCompiler(language);
  } catch (error) {
    if (error instanceof LibraryError) return null;
    throw error;
  }
}
