/**
 * Attention on a CUDA device beside PyTorch's `scaled_dot_product_attention` (cuDNN and flash), in one run with the
 * device's bandwidth and peak:
 *
 *     deno task bench:gpu [--write kernels/cuda/RESULTS.md]
 *
 * A developer's tool: it needs a checkout, and is no part of the published package.
 */
import { parseArgs } from "node:util";
import { findCudaDevice } from "../../ffi/cuda_device.ts";
import { openBackend } from "../../ffi/open.ts";
import {
  GPU_SIZES,
  type GpuCeilings,
  type GpuRow,
  measureAttention,
} from "../bench/gpu/attention_rows.ts";
import { type TorchDevice, TorchGpu } from "../bench/gpu/torch_gpu.ts";
import { command } from "./command.ts";
import { ProgressLine } from "./progress_line.ts";

const COPY_BYTES = 2 ** 32;
const MATMUL_SIZE = 8192;
const BEGIN = "<!-- bench:gpu -->", END = "<!-- /bench:gpu -->";

const USAGE = `Options of deno task bench:gpu:
  --write FILE      write the table between its marks in FILE as well`;

interface GpuResult {
  readonly device: TorchDevice;
  readonly isa: string;
  readonly ceilings: GpuCeilings;
  readonly rows: readonly GpuRow[];
}

async function measure(): Promise<GpuResult> {
  const line = new ProgressLine();
  const backend = await openBackend({
    backend: "cuda",
    onProgress: ({ done, total, step }) => line.update(done / total, `building: ${step}`),
  });
  line.clear();
  const torch = new TorchGpu();
  try {
    const device = await torch.device();
    const copy = await torch.copyBandwidth(COPY_BYTES);
    const ceilings = { copy, matmul: await torch.matmulPeak(MATMUL_SIZE) };
    const rows: GpuRow[] = [];
    for await (const row of measureAttention(backend, torch, ceilings, GPU_SIZES)) {
      console.log(rowLine(row));
      rows.push(row);
    }
    return { device, isa: backend.info().isa, ceilings, rows };
  } finally {
    await torch.close();
  }
}

const ms = (value: number | null | undefined) => value == null ? "-" : value.toPrecision(4);

function rowLine({ name, ms: ours, torch, ofCeiling, goal, met }: GpuRow): string {
  const cells = [name, ms(ours), ms(torch?.cudnn), ms(torch?.flash), ofCeiling.toFixed(2), goal];
  return `| ${cells.join(" | ")} | ${yesOrNo(met)} |`;
}

function yesOrNo(met: boolean | null): string {
  if (met === null) return "-";
  return met ? "yes" : "no";
}

function text({ device, isa, ceilings: { copy, matmul }, rows }: GpuResult): string {
  const { heads, kvHeads, dim } = GPU_SIZES.heads;
  return [
    `${device.name}, driver ${device.driver}; ${device.torch}; kernels ${isa}.`,
    `In the same run: copy ${(copy / 1e12).toFixed(2)} TB/s, bf16 product ` +
    `${
      (matmul / 1e12).toFixed(0)
    } TFLOP/s. ${heads} query heads, ${kvHeads} KV heads, d=${dim}, bf16.`,
    "Command: `deno task bench:gpu`.",
    "",
    "| call | ms | cuDNN ms | flash ms | of the ceiling | goal | met |",
    "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    ...rows.map(rowLine),
  ].join("\n");
}

/** The file with the text between its marks. */
function withResult(file: string, result: string): string {
  const [before, rest] = file.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) {
    throw new Error(`Cannot write the result as ${BEGIN} or ${END} is missing`);
  }
  return `${before}${BEGIN}\n\n${result}\n\n${END}${after}`;
}

async function main(): Promise<void> {
  const { write, help } = parseArgs({
    options: { write: { type: "string" }, help: { type: "boolean" } },
  }).values;
  if (help) return console.log(USAGE);
  const { device, problem } = findCudaDevice();
  if (!device) return console.log(`Nothing is measured on a GPU as ${problem}`);
  const result = text(await measure());
  console.log(`\n${result}`);
  if (write === undefined) return;
  await Deno.writeTextFile(write, withResult(await Deno.readTextFile(write), result));
}

if (import.meta.main) await command("bench:gpu", main);
