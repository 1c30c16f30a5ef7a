/**
 * `deno task test:gpu [--only WORD] [--out FOLDER]`: everything that needs a CUDA device, as one command: builds for the
 * device, the backend suite against the reference, the embedded model's recall beside the CPU's, compute-sanitizer. Prints
 * one table; the exit status is 0 only if nothing was wrong. README.md beside it tells how to run it on a bare machine.
 */
import { parseArgs } from "node:util";
import { findCudaDevice } from "../../ffi/cuda_device.ts";
import { findCudaLibrary } from "../../ffi/cuda_library.ts";
import { findLibrary } from "../../ffi/library.ts";
import { table } from "../../lib/cli/table.ts";
import { setup } from "../setup.ts";
import { type Step, type StepResult, stepsOf } from "./steps.ts";

interface Row extends StepResult {
  readonly name: string;
  readonly seconds: number;
}

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { only, out } = parseArgs({
    options: { only: { ...text, default: "" }, out: { ...text, default: ".build/gpu" } },
  }).values;
  const { device, problem } = findCudaDevice();
  if (!device) {
    console.log(`Nothing is tested on a GPU as ${problem}`);
    return 0;
  }
  console.log(`${device.name}, capability ${device.capability}, driver ${device.driver}`);
  await Deno.mkdir(out, { recursive: true });
  const folder = await Deno.makeTempDir({ prefix: "longlens-gpu-" });
  try {
    const rows = [
      await timed("build", async () => {
        const onProgress = ({ step }: { step: string }) => console.log(`built ${step}`);
        await findLibrary({ onProgress });
        const { path } = await findCudaLibrary(device, { onProgress });
        return { state: "right", detail: path };
      }),
    ];
    const { flags } = await setup(folder);
    for (const step of stepsOf(flags).filter(({ name }) => name.includes(only))) {
      rows.push(await timed(step.name, () => perform(step, out)));
      await Deno.writeTextFile(`${out}/test.txt`, `${tableOf(rows)}\n`);
    }
    console.log(`\n${tableOf(rows)}`);
    return rows.some(({ state }) => state === "WRONG") ? 1 : 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function timed(name: string, work: () => Promise<StepResult>): Promise<Row> {
  const start = performance.now();
  const result = await work();
  const row = { name, ...result, seconds: (performance.now() - start) / 1000 };
  console.log(`${name}: ${row.state}, ${row.detail} (${row.seconds.toFixed(1)} s)`);
  return row;
}

async function perform({ name, command, env = {}, judge }: Step, out: string): Promise<StepResult> {
  const [program, ...args] = command;
  try {
    const options = { args, env: { NO_COLOR: "1", ...env } };
    const { success, stdout, stderr } = await new Deno.Command(program!, options).output();
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    await Deno.writeTextFile(`${out}/${name.replaceAll(/[^a-z]+/gi, "-")}.log`, output);
    return judge(output, success);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { state: "skipped", detail: `there is no ${program}` };
  }
}

function tableOf(rows: readonly Row[]): string {
  return table(rows, [
    { title: "step", cell: ({ name }) => name },
    { title: "result", cell: ({ state }) => state },
    { title: "seconds", align: "right", cell: ({ seconds }) => seconds.toFixed(1) },
    { title: "", cell: ({ detail }) => detail },
  ]);
}

if (import.meta.main) Deno.exit(await main());
