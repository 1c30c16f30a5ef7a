/** What a run of the benchmark found: a file of JSON. */
import type { ZodType } from "zod";
import { MEASURED, type MeasuredDType } from "./bench_case.ts";
import type { Ceilings, Limit } from "./ceilings.ts";
import type { Machine } from "./machine.ts";
import type { ModelsResult } from "./models/models_result.ts";
import type { Spread } from "./statistics.ts";

/** Something else that was measured on the same problem in the same run. */
export interface Beside {
  /** Name of the peer; `dense` for our own dense kernel. */
  readonly name: string;
  /** Element type it was given. */
  readonly dtype: string;
  /** Milliseconds; null where it was not measured. */
  readonly ms: Spread | null;
  /** Its median divided by ours: how many times faster ours is; null where it was not measured. */
  readonly ratio: number | null;
  /** What it says about how it was measured, or why it was not. */
  readonly note: string | null;
}

/** A case that was measured. */
export interface BenchRow {
  /** Kernel. */
  readonly kernel: string;
  /** Its shape for people. */
  readonly shape: string;
  /** Tokens of the context, or rows of a linear layer. */
  readonly tokens: number;
  /** Query heads. */
  readonly heads: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Size of a head. */
  readonly dim: number;
  /** Element type of keys and values, or of weights. */
  readonly dtype: MeasuredDType;
  /** Share of the query-key pairs that are computed. */
  readonly share: number;
  /** Floating-point operations. */
  readonly flops: number;
  /** Bytes that must be read and written once. */
  readonly trafficBytes: number;
  /** Milliseconds. */
  readonly ms: Spread;
  /** What limits it. */
  readonly limit: Limit;
  /** What was measured beside it. */
  readonly beside: readonly Beside[];
}

/** A case that was not measured. */
export interface SkippedCase {
  /** Kernel and shape. */
  readonly name: string;
  /** Why. */
  readonly reason: string;
}

/** A peer that was looked for. */
export interface FoundPeer {
  /** Its name. */
  readonly name: string;
  /** Its version; null where it is missing. */
  readonly version: string | null;
  /** Why it is missing; null where it was found. */
  readonly missing: string | null;
}

/** When and where something was measured, and beside what. */
export interface RunHead {
  /** When it started, ISO 8601. */
  readonly startedAt: string;
  /** Seconds it took. */
  readonly seconds: number;
  /** Whether it ended by itself. */
  readonly finished: boolean;
  /** Cores that other programs kept busy in the minute before it, on average. */
  readonly loadBefore: number;
  /** Where it ran. */
  readonly machine: Machine;
  /** How fast that machine is at most; null when the run was stopped before that was known. */
  readonly ceilings: Ceilings | null;
  /** What it was compared with. */
  readonly peers: readonly FoundPeer[];
  /** Cases that were not measured. */
  readonly skipped: readonly SkippedCase[];
}

/** A run over kernels, and the last one over whole models. */
export interface BenchResult extends RunHead {
  /** Version of this format. */
  readonly version: typeof RESULT_VERSION;
  /** Cases in the order in which they were measured. */
  readonly rows: readonly BenchRow[];
  /** Whole models; null where none were measured. */
  readonly models: ModelsResult | null;
}

/** Version of the format of results. */
export const RESULT_VERSION = 1;

/** A run over whole models beside the kernels of an older result, or alone where there is none. */
export function withModels(older: BenchResult | null, models: ModelsResult): BenchResult {
  if (older !== null) return { ...older, models };
  return { ...models, version: RESULT_VERSION, peers: [], rows: [], skipped: [], models };
}

/** A result as text. */
export function resultText(result: BenchResult): string {
  return `${JSON.stringify(result, null, 2)}\n`;
}

/**
 * The result that a text holds.
 *
 * @throws {TypeError} when it holds none, with the first field that is wrong
 */
export async function parseResult(text: string, file: string): Promise<BenchResult> {
  const checked = (await schema()).safeParse(jsonOf(text, file));
  if (checked.success) return checked.data;
  const { path, message } = checked.error.issues[0]!;
  throw new TypeError(
    `Cannot read ${file} as ${path.join(".") || "its content"} is not valid: ${message}`,
  );
}

function jsonOf(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TypeError(`Cannot read ${file} as it is no JSON`, { cause });
  }
}

async function schema(): Promise<ZodType<BenchResult>> {
  const { z } = await import("zod");
  const [amount, count, text] = [z.number().nonnegative(), z.int().nonnegative(), z.string()];
  const spread = z.strictObject({
    median: amount,
    low: amount,
    high: amount,
    least: amount,
    count: z.int().positive(),
  });
  const unit = z.enum(["GFLOP/s", "GB/s"]);
  const beside = z.strictObject({
    name: text,
    dtype: text,
    ms: spread.nullable(),
    ratio: amount.nullable(),
    note: text.nullable(),
  });
  const measured = {
    ...{ flops: amount, trafficBytes: amount },
    ms: spread,
    limit: z.strictObject({ name: text, rate: amount, unit, ms: amount }),
    beside: z.array(beside),
  };
  const row = z.strictObject({
    kernel: text,
    shape: text,
    ...{ tokens: count, heads: count, kvHeads: count, dim: count },
    dtype: z.enum(MEASURED),
    share: amount,
    ...measured,
  });
  const modelRow = z.strictObject({
    ...{ model: text, weights: text.nullable(), contextLength: count.nullable() },
    task: z.enum(["prefill", "decode"]),
    tokens: count,
    ...measured,
    agreement: z.strictObject({ same: count, of: count, widestGap: amount }).nullable(),
  });
  const machine = z.strictObject({
    ...{ cpu: text, cores: count, memoryBytes: amount, os: text },
    ...{ isa: text, available: z.array(text), threads: count },
    ...{ deno: text, longlens: text, sources: text, compiler: text.nullable() },
  });
  const ceilings = z.strictObject({
    read: z.array(z.strictObject({ bytes: count, threads: count, gbps: amount })),
    peaks: z.array(z.strictObject({ unit: text, threads: count, gflops: amount })),
    emptyCallMs: amount.nullable(),
  });
  const run = {
    startedAt: z.iso.datetime(),
    seconds: amount,
    finished: z.boolean(),
    loadBefore: amount,
    machine,
    ceilings: ceilings.nullable(),
    peers: z.array(
      z.strictObject({ name: text, version: text.nullable(), missing: text.nullable() }),
    ),
    skipped: z.array(z.strictObject({ name: text, reason: text })),
  };
  return z.strictObject({
    version: z.literal(RESULT_VERSION),
    ...run,
    rows: z.array(row),
    models: z.strictObject({ ...run, rows: z.array(modelRow) }).nullable().default(null),
  });
}
