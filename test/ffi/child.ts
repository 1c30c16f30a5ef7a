/** Runs scripts in child processes of Deno, with their own permissions and environment. */

import { pathToFileURL } from "node:url";

/** Root of the checkout, as a URL that ends in a slash. */
export const ROOT: URL = new URL("../../", import.meta.url);

/** A file of the checkout. */
export function fromRoot(path: string): URL {
  return new URL(path, ROOT);
}

/** What a child process printed and how it ended. */
export interface Outcome {
  /** Whether it exited with 0. */
  readonly success: boolean;
  /** Its standard output, trimmed. */
  readonly stdout: string;
  /** Its standard error without colours. */
  readonly stderr: string;
}

/** How to run a child. */
export interface ChildOptions {
  /** Flags of `deno run`. */
  readonly flags: readonly string[];
  /** Whole environment of the child. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs TypeScript with exactly the given permissions; nothing prompts and no configuration file applies. */
export async function runScript(
  script: string,
  { flags, env = {} }: ChildOptions,
): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-child-" });
  try {
    const path = `${folder}/script.ts`;
    await Deno.writeTextFile(path, script);
    return await deno(["run", "--no-config", "--no-lock", "--no-prompt", ...flags, path], env);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function deno(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    clearEnv: true,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
  });
  const { success, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { success, stdout: text(stdout), stderr: text(stderr) };
}

/** Copies what the native library and its door need into `folder`, without a build, and returns its URL. */
export async function copyCheckout(folder: string): Promise<URL> {
  const target = pathToFileURL(`${folder}/`);
  for (const part of ["ffi/", "kernels/"]) {
    await copyTree(new URL(part, ROOT), new URL(part, target));
  }
  return target;
}

async function copyTree(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(new URL(`${name}/`, from), new URL(`${name}/`, to));
    else await Deno.copyFile(new URL(name, from), new URL(name, to));
  }
}
