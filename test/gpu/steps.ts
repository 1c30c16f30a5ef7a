/** What `deno task test:gpu` does, step by step; each is a child process whose output is kept. */
import type { RecallPair } from "./recall.ts";

/** How a step came out. */
export interface StepResult {
  /** `skipped` where what it needs is not there. */
  readonly state: "right" | "WRONG" | "skipped";
  /** Numbers, or the first thing that went wrong. */
  readonly detail: string;
}

/** A command and what its output means. */
export interface Step {
  /** Its name in the table. */
  readonly name: string;
  /** Command and arguments. */
  readonly command: readonly string[];
  /** Environment beside this process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Reads the result from what it printed. */
  readonly judge: (output: string, success: boolean) => StepResult;
}

/** Cases under a tool that makes kernels some hundred times slower. */
const SANITIZED_SHARE = "0.04";
/** Largest difference of recall where products are rounded to bf16 in another order: 1 of 40 questions. */
const MOST_DIFFERENCE = 0.0251;

/** The steps; `flags` are those of `deno test` and `deno run`. */
export function stepsOf(flags: readonly string[]): Step[] {
  const deno = (verb: string, ...args: string[]) => [Deno.execPath(), verb, ...flags, ...args];
  const tests = (file: string) => deno("test", "--allow-all", "--no-check", file);
  const suite = tests("test/kernels/cuda_test.ts");
  const sanitizer = (tool: string): Step => ({
    name: `compute-sanitizer ${tool}`,
    command: ["compute-sanitizer", "--tool", tool, "--error-exitcode", "97", ...suite],
    env: { LONGLENS_TEST_SHARE: SANITIZED_SHARE },
    judge: judgeSanitizer,
  });
  return [
    { name: "backend suite", command: suite, judge: judgeTests },
    {
      name: "retrieval like the CPU's",
      command: tests("test/engine/cuda_retrieval_test.ts"),
      judge: judgeTests,
    },
    {
      name: "recall like the CPU's",
      command: deno("run", "--allow-all", "--no-check", "test/gpu/recall.ts"),
      judge: judgeRecall,
    },
    {
      name: "decode as a CUDA graph",
      command: deno("run", "--allow-all", "--no-check", "test/gpu/capture.ts"),
      judge: judgeCapture,
    },
    ...["memcheck", "racecheck"].map(sanitizer),
  ];
}

/** What `deno test` printed. */
export function judgeTests(output: string, success: boolean): StepResult {
  const summary = output.match(/^.*\d+ passed.*$/gm)?.at(-1) ?? firstLine(output);
  const failed = output.match(/^(.*) \.\.\. FAILED/m)?.[1];
  return success
    ? { state: "right", detail: summary }
    : { state: "WRONG", detail: `${summary}; first: ${failed ?? "no test failed"}` };
}

/** memcheck writes `ERROR SUMMARY: 0 errors`, racecheck `RACECHECK SUMMARY: 0 hazards displayed`. */
export function judgeSanitizer(output: string, success: boolean): StepResult {
  const summary = output.match(/(?:ERROR|RACECHECK) SUMMARY: (\d+) .*/);
  if (!summary) return { state: "skipped", detail: `it does not run here: ${firstLine(output)}` };
  const isClean = success && summary[1] === "0";
  return { state: isClean ? "right" : "WRONG", detail: summary[0] };
}

/** In f32 all shares must be equal. */
export function judgeRecall(output: string, success: boolean): StepResult {
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  if (!success || lines.length === 0) return { state: "WRONG", detail: firstLine(output) };
  const pairs = lines.map((line) => JSON.parse(line) as RecallPair);
  const wrong = pairs.find(({ compute, cpu, cuda }) =>
    Math.abs(cpu - cuda) > (compute === "f32" ? 0 : MOST_DIFFERENCE)
  );
  if (wrong) {
    const { compute, what, cpu, cuda } = wrong;
    return { state: "WRONG", detail: `${what} in ${compute}: ${cuda}, on the CPU ${cpu}` };
  }
  return { state: "right", detail: `${pairs.length} pairs of shares are equal` };
}

/** It prints its times, or what is wrong. */
export function judgeCapture(output: string, success: boolean): StepResult {
  const line = output.split("\n").find((line) => line.startsWith("{"));
  if (!success || !line) return { state: "WRONG", detail: firstLine(output) };
  const { callsUs, replayUs } = JSON.parse(line);
  return { state: "right", detail: `a step takes ${callsUs} us, its replay ${replayUs}` };
}

function firstLine(output: string): string {
  return output.split("\n").find((line) => line.trim() !== "")?.slice(0, 120) ?? "no output";
}
