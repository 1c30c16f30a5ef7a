/** What attention methods keep and compute of a text's attention, head by head, beside dense attention. */
import { dense } from "../attention/dense.ts";
import type { MassClaim } from "../attention/mass_claim.ts";
import type { Method } from "../attention/method.ts";
import type { ClaimedPlan, HeadPlan } from "../attention/plan.ts";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { HeadTrial, LayerProbe, ProbeContext } from "../engine/head_probe.ts";
import type { CoverageRow } from "./coverage_row.ts";
import {
  type CoveredModel,
  noneGiven,
  type ProbedTextOptions,
  probedTexts,
} from "./probed_texts.ts";

/** Options of {@link coverage}. */
export interface CoverageOptions extends ProbedTextOptions {
  /** Methods to compare. */
  readonly methods: readonly Method[];
}

/** Rows and keys of a tile. */
const TILE = 64;

/**
 * Runs the plans of each method on the queries and keys of each text, which the model has read densely, and yields a row for
 * every head, layer after layer. Nothing is approximated: mass and error are of all rows, shares are counted in what was computed.
 * Times are measured once and belong to a layer: its heads are computed together.
 *
 * @throws {RangeError} when an option is out of range or a text is too short
 */
export async function* coverage(
  model: CoveredModel,
  options: CoverageOptions,
): AsyncGenerator<CoverageRow, void> {
  if (options.methods.length === 0) throw noneGiven("methods");
  for await (const { probe, text } of probedTexts(model, options)) {
    yield* coverLayer(probe, text, options);
  }
}

async function* coverLayer(
  probe: LayerProbe,
  text: string,
  { methods, chunkTokens = CHUNK_TOKENS }: CoverageOptions,
): AsyncGenerator<CoverageRow, void> {
  const whole = await tryMethod(probe, dense());
  for (const method of methods) {
    const tried = await tryMethod(probe, method);
    for (const [head, trial] of tried.trials.entries()) {
      const { mass, error, tileShare } = trial;
      const { estimateShare, kinds, ...claim } = chunksOf(tried.chunks, head, probe.tokens);
      yield {
        ...{ text, tokens: probe.tokens, chunkTokens, method: method.name },
        ...{ methodOptions: JSON.stringify(method.options), layer: probe.layer, head, kinds },
        ...{ mass, error, tileShare, estimateShare },
        ...{ denseMs: whole.attendMs, attendMs: tried.attendMs, planMs: tried.planMs },
        predictedMs: (tileShare + estimateShare) * whole.attendMs,
        ...claim,
      };
    }
  }
}

/** A chunk, and what was planned for it. */
interface PlannedChunk {
  readonly context: ProbeContext;
  readonly plans: readonly HeadPlan[];
}

/** A method's plans in one layer; times are a head's share. */
interface TriedMethod {
  readonly trials: readonly HeadTrial[];
  readonly chunks: readonly PlannedChunk[];
  readonly attendMs: number;
  readonly planMs: number;
}

async function tryMethod(probe: LayerProbe, method: Method): Promise<TriedMethod> {
  const chunks: PlannedChunk[] = [];
  let planMs = 0;
  const trials = await probe.trial(async (context) => {
    const began = performance.now();
    const plans = await method.planPrefill(context);
    planMs += performance.now() - began;
    chunks.push({ context, plans });
    return plans;
  });
  const heads = trials.length;
  return { trials, chunks, attendMs: probe.attendMs / heads, planMs: planMs / heads };
}

/** What the chunks of a head say of their plans. */
function chunksOf(chunks: readonly PlannedChunk[], head: number, tokens: number) {
  const scanned = chunks.reduce((sum, { context }) => {
    return sum + context.estimates.costs[head]!.scanned;
  }, 0);
  const kinds = [...new Set(chunks.map(({ plans }) => plans[head]!.kind))].join();
  return { estimateShare: scanned / denseArea(chunks), kinds, ...claimsOf(chunks, head, tokens) };
}

/** Query-key scores that dense attention computes, in tiles as all shares are. */
function denseArea(chunks: readonly PlannedChunk[]): number {
  let area = 0;
  for (const { context: { qStart, qLen } } of chunks) {
    for (let row = 0; row < qLen; row += TILE) {
      area += TILE * TILE * Math.ceil((qStart + Math.min(row + TILE, qLen)) / TILE);
    }
  }
  return area;
}

/** From the strongest to the weakest. */
const KINDS: readonly MassClaim["kind"][] = ["certified", "estimated", "carried"];

function claimsOf(
  chunks: readonly PlannedChunk[],
  head: number,
  tokens: number,
): Pick<CoverageRow, "claimed" | "claim"> {
  const claims = chunks.map(({ plans }) => (plans[head] as ClaimedPlan).claim);
  let [claimed, weakest] = [0, 0];
  for (const [x, claim] of claims.entries()) {
    if (!claim) return { claimed: null, claim: null };
    claimed += claim.mass * chunks[x]!.context.qLen / tokens;
    weakest = Math.max(weakest, KINDS.indexOf(claim.kind));
  }
  return { claimed, claim: KINDS[weakest]! };
}
