/** Chunks of a made-up text whose attention goes to its first tokens, to near ones and to chance, planned one after the other. */
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { lower } from "../../lib/attention/lower.ts";
import type { MassClaim } from "../../lib/attention/mass_claim.ts";
import type { Estimates, Method, PrefillContext } from "../../lib/attention/method.ts";
import type { ClaimedPlan, HeadPlan } from "../../lib/attention/plan.ts";
import { ChunkEstimates } from "../../lib/engine/chunk_estimates.ts";
import { Scope } from "../kernels/scope.ts";
import { Random } from "../random.ts";
import { keysOfRow } from "./brute_force.ts";

/** What a text is made by. */
export interface AdaptiveText {
  /** Seed of the noise, and number of the layer: other layers look at other rows. */
  readonly seed: number;
  /** Tokens. */
  readonly length: number;
  /** Tokens of a chunk. */
  readonly chunk: number;
  /** How much the first tokens attract. */
  readonly sink: number;
  /** How much near tokens do. */
  readonly near: number;
}

/** A chunk, planned. */
export interface PlannedChunk {
  /** Its place. */
  readonly context: PrefillContext;
  /** Its plan. */
  readonly plan: HeadPlan;
  /** What the plan says of itself. */
  readonly claim: MassClaim;
  /** Rows of the chunk that the method looked at. */
  readonly looked: readonly number[];
  /** Attention that each row of the chunk keeps: the softmax in float64, the keys of the executable. */
  readonly kept: readonly number[];
}

const DIM = 6;

/** Plans the chunks of one head and measures, in brute force, what is kept. */
export async function planText(method: Method, text: AdaptiveText): Promise<PlannedChunk[]> {
  using scope = new Scope(openReferenceBackend());
  const [q, k] = rowsOf(text);
  const memory = new Map<string, unknown>();
  const planned: PlannedChunk[] = [];
  for (let qStart = 0; qStart < text.length; qStart += text.chunk) {
    const kvLength = Math.min(qStart + text.chunk, text.length);
    const qLen = kvLength - qStart;
    const keys = k.subarray(0, kvLength * DIM);
    const looked: number[] = [];
    const estimates = watched(
      new ChunkEstimates(scope.backend, {
        q: scope.tensor([qLen, 1, DIM], q.slice(qStart * DIM, kvLength * DIM)),
        qStart,
        kv: await scope.kv({ k: keys, v: keys, length: kvLength, kvHeads: 1, dim: DIM }),
        scale: 1,
        control: scope.backend.control(),
      }),
      qLen,
      looked,
    );
    const place = { layer: text.seed, heads: [0], qStart, qLen, kvLength, promptEnd: text.length };
    const context: PrefillContext = { ...place, window: null, estimates, memory };
    const [plan] = await method.planPrefill(context);
    const kept = keptRows(q, k, plan!, context);
    planned.push({ context, plan: plan!, claim: (plan as ClaimedPlan).claim!, looked, kept });
  }
  return planned;
}

function rowsOf({ seed, length, sink, near }: AdaptiveText): [Float32Array, Float32Array] {
  const random = new Random(seed);
  const rows = (isKey: boolean) => {
    const all = random.normals(length * DIM, 0.7);
    for (let i = 0; i < length; i++) {
      all[i * DIM] = isKey && i >= 4 ? 0 : sink;
      all[i * DIM + 1] = near * Math.cos(i * 0.01);
      all[i * DIM + 2] = near * Math.sin(i * 0.01);
    }
    return all;
  };
  return [rows(false), rows(true)];
}

/** Writes down which rows are asked about. */
function watched(estimates: Estimates, qLen: number, looked: number[]): Estimates {
  return {
    verticalSlash: (heads, rows, skipped = 0) => {
      for (let row = qLen - skipped - rows; row < qLen - skipped; row++) looked.push(row);
      return estimates.verticalSlash(heads, rows, skipped);
    },
    blockScores: (heads, options) => estimates.blockScores(heads, options),
    antidiagonalScores: (heads, options) => estimates.antidiagonalScores(heads, options),
  };
}

function keptRows(
  q: Float32Array,
  k: Float32Array,
  plan: HeadPlan,
  { qStart, qLen, kvLength }: PrefillContext,
): number[] {
  const tiles = lower(plan, qStart, qLen, kvLength);
  return Array.from({ length: qLen }, (_, row) => {
    const held = keysOfRow(tiles, qStart, row, kvLength);
    let [kept, all] = [0, 0];
    for (let j = 0; j <= qStart + row; j++) {
      let score = 0;
      for (let c = 0; c < DIM; c++) score += q[(qStart + row) * DIM + c]! * k[j * DIM + c]!;
      all += Math.exp(score);
      if (held[j]! > 0) kept += Math.exp(score);
    }
    return kept / all;
  });
}

/** The mean. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
