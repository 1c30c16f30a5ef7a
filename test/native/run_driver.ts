/** Runs the driver. */

/** How to run it. */
export interface DriverOptions {
  /** Threads of the library. @default 3 */
  readonly threads?: number;
  /** Cases at the same time. @default 2 */
  readonly callers?: number;
  /** Environment beside this process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Command that runs the driver, with its arguments. */
  readonly under?: readonly string[];
}

/** What it printed and how it ended. */
export interface DriverOutcome {
  /** Whether every case came out right. */
  readonly success: boolean;
  /** What it printed on both streams. */
  readonly report: string;
}

/** Replays the cases of `file` with instruction set `isa`. */
export async function runDriver(
  driver: string,
  file: string,
  isa: string,
  { threads = 3, callers = 2, env = {}, under = [] }: DriverOptions = {},
): Promise<DriverOutcome> {
  return await run([...under, driver, file, `${threads}`, `${callers}`, isa], env);
}

/** The instruction sets that the library has on this machine. */
export async function instructionSets(driver: string): Promise<string[]> {
  const { report } = await run([driver], {});
  return JSON.parse(report).available;
}

/** Runs a command. */
export async function run(
  [command, ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<DriverOutcome> {
  const { success, stdout, stderr } = await new Deno.Command(command!, { args, env }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, report: text(stdout) + text(stderr) };
}
