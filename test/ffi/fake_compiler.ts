/** Shell scripts in the place of a C++ compiler. */
import { inFolder } from "../in_folder.ts";

/** Prints a case of a shell script that refuses flags, as compilers do that do not know them. */
const refusing = (flags: string) =>
  `for flag in "$@"; do case "$flag" in ${flags})
  echo "cxx: error: unrecognized command-line option '$flag'" >&2; exit 1;;
esac; done`;

/** Commands that write their arguments to `LOG` and make empty objects and libraries, as fast as a shell can. */
const recorder = (refusal: string) =>
  `#!/bin/sh
echo "$@" >> "$LOG"
if [ "$1" = --version ]; then echo "recorder 1.0"; exit; fi
${refusal}
sleep 0.02
while [ "$1" != -o ]; do shift; done
echo library > "$2"
`;

/** Knows every flag. */
export const RECORDER: string = recorder("");

/** Refuses the flags that match a pattern of the shell, such as `-mamx-*`. */
export function recorderWithout(flags: string): string {
  return recorder(refusing(flags));
}

/** The compiler `command`, without optimization, that refuses the flags that match a pattern of the shell. */
export function compilerWithout(flags: string, command: string): string {
  return `#!/bin/sh\n${refusing(flags)}\nexec ${command} "$@" -O0\n`;
}

/** A folder to build in, the file that is `LOG`, and the command that is `CXX`. */
export interface Place {
  /** A folder that is not there yet. */
  readonly folder: string;
  /** The file. */
  readonly log: string;
  /** The command. */
  readonly cxx: string;
}

/** Calls `work` with `script` as the compiler. */
export async function withCompiler<T>(
  script: string,
  work: (place: Place) => Promise<T>,
): Promise<T> {
  return await inFolder(async (home) => {
    const [folder, log, cxx] = [`${home}/build`, `${home}/log`, `${home}/cxx`];
    await Deno.writeTextFile(cxx, script, { mode: 0o755 });
    await Deno.writeTextFile(log, "");
    return await withEnv({ CXX: cxx, LOG: log }, () => work({ folder, log, cxx }));
  });
}

/** Calls `work` with variables of the environment. */
export async function withEnv<T>(
  env: Record<string, string>,
  work: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(env).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) value ? Deno.env.set(name, value) : Deno.env.delete(name);
  }
}

/** What the recorder compiled and linked: its calls but for probes and questions for its version. */
export async function buildCalls(log: string): Promise<string[]> {
  const lines = (await Deno.readTextFile(log)).trim().split("\n");
  return lines.filter((line) => line !== "--version" && !line.includes("-c probe.cpp"));
}
