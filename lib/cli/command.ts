/** How a command ends that cannot do what it was asked: with one line, not with the place in our sources. */
import { reasonOf } from "../../ffi/refusal.ts";

/** Runs the command `deno task TASK`; after an error, which is told, its exit status is 1. */
export async function command(task: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    console.error(told(error, task));
    Deno.exit(1);
  }
}

function told(error: unknown, task: string): string {
  const reason = reasonOf(error);
  if (!isOfOptions(error)) return reason;
  // What follows the first sentence is advice that fits no command of ours.
  return `${reason.split(/\.(?:\s|$)/, 1)[0]}; see deno task ${task} --help`;
}

/** Whether Node refused the options as such: ours say themselves what they take. */
function isOfOptions(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    String(error.code).startsWith("ERR_PARSE_ARGS");
}
