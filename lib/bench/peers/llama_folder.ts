/** Where llama.cpp's libraries are. */
import { readEnv } from "../../../ffi/permissions.ts";
import { cachedPackage, denoCommand } from "./deno_command.ts";
import type { ChildCommand } from "./peer_child.ts";

const ARCHITECTURES = { x86_64: "x64", aarch64: "arm64" } as const;
const PLATFORM = `${Deno.build.os}-${ARCHITECTURES[Deno.build.arch]}`;
const PACKAGE = `@node-llama-cpp/${PLATFORM}@3.22.1`;

/** Runs a module whose argument is the folder that `LONGLENS_GGML` names, none where it names none. */
export function llamaCommand(module: string): ChildCommand {
  const folder = readEnv("LONGLENS_GGML");
  const command = denoCommand(module, ...(folder === undefined ? [] : [folder]));
  // Else it starts a debugger where it fails, which writes between its answers.
  return { ...command, env: { GGML_NO_BACKTRACE: "1" } };
}

/** The folder itself, or that of the npm package in Deno's cache. */
export async function llamaFolder(folder: string | undefined): Promise<string> {
  if (folder !== undefined) return folder;
  const { getBinsDir } = await cachedPackage(PACKAGE) as {
    getBinsDir(): { readonly binsDir: string };
  };
  return `${getBinsDir().binsDir}/${PLATFORM}`;
}
