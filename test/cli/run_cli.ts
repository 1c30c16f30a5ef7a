/** Runs a command of `lib/cli` as a person would. */

/** What a command printed, and its exit status. */
export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs `lib/cli/NAME.ts` with arguments, without colours. */
export async function runCli(name: string, ...args: string[]): Promise<CliResult> {
  const script = new URL(`../../lib/cli/${name}.ts`, import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", script, ...args],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}
