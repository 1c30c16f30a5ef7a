/** Tries plans on the queries, keys and values of a text, head by head, beside dense attention. No n x n matrix is built. */
import type { PartialAttention, RunControl, Tensor } from "../../ffi/backend.ts";
import { dense } from "../attention/dense.ts";
import type { Awaitable, Estimates, PrefillContext } from "../attention/method.ts";
import type { HeadPlan } from "../attention/plan.ts";
import { tileArea } from "../attention/tile_area.ts";
import { withinWindow } from "../attention/window.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import { breathe } from "./breathe.ts";
import { ChunkEstimates } from "./chunk_estimates.ts";
import { Forward } from "./forward.ts";
import { type IndexTrialOptions, type LayerIndexTrial, tryIndex } from "./index_probe.ts";
import { type ModeTrial, type ModeTrialOptions, tryModes } from "./mode_probe.ts";
import { lowerTiles, type SearchCost } from "./planner.ts";
import { emptyState } from "./session_state.ts";
import type { SessionModel, SessionOptions } from "./session_types.ts";

/** Options of {@link probeLayers}. */
export interface ProbeOptions {
  /**
   * Layers to stop at.
   * @default all layers
   */
  readonly layers?: readonly number[];
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** How one head did with plans instead of dense attention. */
export interface HeadTrial {
  /** Attention that the plans kept: `exp(lse of the plan - lse of all keys)`, averaged over rows. */
  readonly mass: number;
  /** How much the outputs differ: root of the sum of squared differences, over that of the dense outputs. */
  readonly error: number;
  /** Tile area that was computed (columns as area), over that of dense attention. */
  readonly tileShare: number;
}

/** A chunk of a text that is probed. */
export interface ProbeContext extends PrefillContext {
  /** Looks at the chunk, and says what that has cost each head so far. */
  readonly estimates: Estimates & { readonly costs: readonly SearchCost[] };
}

/** What plans a chunk, as a method's `planPrefill` does. */
export type ChunkPlanner = (context: ProbeContext) => Awaitable<readonly HeadPlan[]>;

/** What a probe works with. */
export interface ProbeParts {
  readonly model: Pick<SessionModel, "backend" | "config">;
  readonly cache: PagedCache;
  readonly layer: number;
  readonly chunkTokens: number;
  /** Of all rows: `q`, and dense attention's `out` and `lse`. */
  readonly tensors: Readonly<Record<"q" | "out" | "lse", Tensor>>;
  readonly control: RunControl;
}

/** One layer of a text whose attention was computed densely. Valid until the walk goes on. */
export class LayerProbe {
  readonly #parts: ProbeParts;
  #attendMs = 0;

  /** Made by the engine. */
  constructor(parts: ProbeParts) {
    this.#parts = parts;
  }

  /** Layer number. */
  get layer(): number {
    return this.#parts.layer;
  }

  /** Tokens of the text. */
  get tokens(): number {
    return this.#parts.tensors.q.shape[0]!;
  }

  /** Keys that a query of the layer sees at most; `null` for all. */
  get window(): number | null {
    return this.#parts.model.config.windows[this.layer] ?? null;
  }

  /** Milliseconds that the last trial spent attending, all heads together: neither planning nor comparing. */
  get attendMs(): number {
    return this.#attendMs;
  }

  /** The chunks of the text, as a method is asked to plan them in a prefill. */
  contexts(): ProbeContext[] {
    const { model: { config }, chunkTokens } = this.#parts;
    const heads = Array.from({ length: config.heads }, (_, head) => head);
    const memory = new Map<string, unknown>();
    const starts = Array.from(
      { length: Math.ceil(this.tokens / chunkTokens) },
      (_, chunk) => chunk * chunkTokens,
    );
    return starts.map((qStart) => {
      const qLen = Math.min(chunkTokens, this.tokens - qStart);
      const place = { layer: this.layer, heads, qStart, qLen, kvLength: qStart + qLen };
      const known = { promptEnd: this.tokens, window: this.window, memory };
      return { ...place, ...known, estimates: this.#estimates(qStart, qLen) };
    });
  }

  /** Lets other things happen, and throws `CancelledError` once the walk is stopped. */
  pause(): Promise<void> {
    return breathe(this.#parts.control);
  }

  /** Attends to what `plan` answers for each chunk, cut to the layer's window, and compares with dense attention. */
  async trial(plan: ChunkPlanner): Promise<HeadTrial[]> {
    const { model: { backend, config }, chunkTokens } = this.#parts;
    const rows = Math.min(chunkTokens, this.tokens);
    const out = backend.tensor([rows, config.heads, config.dim]);
    const lse = backend.tensor([rows, config.heads]);
    const sums = Array.from({ length: config.heads }, () => new HeadSums());
    this.#attendMs = 0;
    try {
      for (const context of this.contexts()) {
        await this.pause();
        await this.#tryChunk(context, await plan(context), sums, {
          out: out.rows(0, context.qLen),
          lse: lse.rows(0, context.qLen),
        });
      }
    } finally {
      out.close();
      lse.close();
    }
    return sums.map((sum) => sum.trial(this.tokens));
  }

  async #tryChunk(
    { qStart, qLen, kvLength }: PrefillContext,
    plans: readonly HeadPlan[],
    sums: readonly HeadSums[],
    found: PartialAttention,
  ): Promise<void> {
    const { model: { backend, config: { scale } }, cache, layer, tensors, control } = this.#parts;
    const lowered = (heads: readonly HeadPlan[]) =>
      lowerTiles({ heads: withinWindow(heads, this.window, kvLength) }, qStart, qLen, new Map());
    const tiles = lowered(plans);
    const q = tensors.q.rows(qStart, qLen);
    const kv = cache.view(layer, kvLength);
    const began = performance.now();
    await backend.attendTiles(q, qStart, scale, kv, tiles, found, control);
    this.#attendMs += performance.now() - began;
    const whole = tileArea(lowered([{ kind: "dense" }])[0]!);
    sums.forEach((sum, head) => sum.addArea(tileArea(tiles[head]!), whole));
    addRows(sums, found, {
      out: tensors.out.rows(qStart, qLen),
      lse: tensors.lse.rows(qStart, qLen),
    });
  }

  /** Builds an index over the layer's keys, asks it by the last rows, and compares with exact search and dense attention. */
  tryIndex(options: IndexTrialOptions): Promise<LayerIndexTrial> {
    return tryIndex(this.#parts, options);
  }

  /** Tries what heads may do in a step of retrieval on the last rows, and compares with dense attention. */
  tryModes(options?: ModeTrialOptions): Promise<ModeTrial[]> {
    return tryModes(this.#parts, options);
  }

  #estimates(qStart: number, qLen: number): ChunkEstimates {
    const { model: { backend, config: { scale } }, cache, layer, tensors, control } = this.#parts;
    const kv = cache.view(layer, qStart + qLen);
    return new ChunkEstimates(backend, {
      q: tensors.q.rows(qStart, qLen),
      qStart,
      kv,
      scale,
      control,
    });
  }
}

/** Sums over the rows of one head. */
class HeadSums {
  mass = 0;
  difference = 0;
  norm = 0;
  #area = 0;
  #whole = 0;

  addArea(area: number, whole: number): void {
    this.#area += area;
    this.#whole += whole;
  }

  trial(rows: number): HeadTrial {
    return {
      mass: this.mass / rows,
      error: this.norm === 0 ? 0 : Math.sqrt(this.difference / this.norm),
      tileShare: this.#area / this.#whole,
    };
  }
}

function addRows(
  sums: readonly HeadSums[],
  found: PartialAttention,
  whole: PartialAttention,
): void {
  const [rows, heads, dim] = found.out.shape as [number, number, number];
  const [out, lse] = [found.out.read(), found.lse.read()];
  const [wholeOut, wholeLse] = [whole.out.read(), whole.lse.read()];
  for (let row = 0; row < rows * heads; row++) {
    const sum = sums[row % heads]!;
    // Both are rounded, so that the kept part may come out above the whole.
    sum.mass += Math.min(1, Math.exp(lse[row]! - wholeLse[row]!));
    for (let x = row * dim; x < (row + 1) * dim; x++) {
      sum.difference += (out[x]! - wholeOut[x]!) ** 2;
      sum.norm += wholeOut[x]! ** 2;
    }
  }
}

/** Passes `ids` through the model densely, all rows together, and stops where a layer has attended. */
export async function* probeLayers(
  model: SessionModel,
  options: SessionOptions,
  ids: Int32Array,
  layers: readonly number[] | undefined,
  control: RunControl,
): AsyncGenerator<LayerProbe, void> {
  const { backend, config, weights } = model;
  const { cache, indexes } = emptyState(model, { ...options, querySamples: 0 });
  const parts = { backend, config, weights, cache, indexes, method: dense() };
  const forward = new Forward(parts, 1);
  const last = layers === undefined ? config.layers - 1 : Math.max(-1, ...layers);
  try {
    cache.checkFits(ids.length, options.memoryBytes);
    const { chunkTokens, contextTokens = ids.length } = options;
    const place = { start: 0, phase: "prefill", promptEnd: ids.length, logits: false } as const;
    if (last < 0) return;
    for await (
      const { state, tensors } of forward.pass({ ids, ...place, contextTokens, control })
    ) {
      const { stage, layer } = state;
      if (stage !== "attention") continue;
      if (layers?.includes(layer) ?? true) {
        yield new LayerProbe({ model, cache, layer, chunkTokens, tensors, control });
      }
      if (layer === last) return;
    }
  } finally {
    forward.close();
    cache.close();
  }
}
