/** The C header of the native library, parsed. */
import { fromRoot } from "./child.ts";

/** A function as the header declares it. */
export interface Declaration {
  /** Its return type. */
  readonly result: string;
  /** Its parameters: type and name. */
  readonly parameters: readonly string[];
}

/** Text of the header. */
export const HEADER: string = await Deno.readTextFile(fromRoot("kernels/include/longlens.h"));

/** Its functions by name. */
export function declarations(): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  for (
    const [, result, name, list] of HEADER.matchAll(/LL_API ([\w\s*]+?)\s?(ll_\w+)\(([^)]*)\)/g)
  ) {
    const parameters = list!.replace(/\s+/g, " ").split(", ").filter((text) => text !== "void");
    found.set(name!, { result: result!, parameters });
  }
  return found;
}
