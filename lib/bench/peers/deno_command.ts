/** Children that are programs of Deno. */
import type { ChildCommand } from "./peer_child.ts";

/** Runs a module. npm packages come from Deno's cache only: a measurement downloads nothing. */
export function denoCommand(module: string, ...args: readonly string[]): ChildCommand {
  const flags = ["--quiet", "--allow-all", "--no-config", "--no-lock", "--cached-only"];
  return { program: Deno.execPath(), args: ["run", ...flags, module, ...args] };
}

/** Imports an npm package, such as `name@1.2.3`, from Deno's cache; the error says how to put it there. */
export async function cachedPackage(name: string): Promise<unknown> {
  const specifier = `npm:${name}`;
  try {
    // Not a literal: whoever checks or publishes this module would download the package.
    return await import(specifier);
  } catch (cause) {
    if (!String(cause).includes("--cached-only")) throw cause;
    throw new Error(`it is not installed: run "deno cache ${specifier}"`, { cause });
  }
}
