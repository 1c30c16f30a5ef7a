/**
 * One pass of the model over rows of tokens, as a generator that stops at every place that can be looked at or
 * changed. Runs, hooks, `layers()`, maps and scores all drive this one pass.
 */
import type {
  Backend,
  KeyPlan,
  RopeTables,
  RunControl,
  Tensor,
  TilePlan,
} from "../../ffi/backend.ts";
import type { Method } from "../attention/method.ts";
import type { LayerPlan } from "../attention/plan.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import { ropeTable } from "../model/rope.ts";
import type { ModelConfig, ModelWeights, RopeConfig } from "../model/types.ts";
import { breathe } from "./breathe.ts";
import { ChunkEstimates } from "./chunk_estimates.ts";
import { KeySearch, type SearchingRow } from "./key_search.ts";
import { lowerRows, lowerTiles, Planner, type SearchCost } from "./planner.ts";
import type { SessionIndexes } from "./session_indexes.ts";
import { LayerState, type Stage, type StateName } from "./state.ts";
import { type AttendingRows, type BegunAttention, StaticAttention } from "./static_attention.ts";
import { TailAttention } from "./tail_attention.ts";
import { Workspace, type WorkspaceName } from "./workspace.ts";

/** Which plans rows get: a prefill's, or one per row from `planDecode`. */
export type Phase = "prefill" | "decode";

/** Rows to pass through the model. */
export interface ForwardRequest {
  /** Token ids of the rows. */
  readonly ids: Int32Array;
  /** Place in the session of the first row. */
  readonly start: number;
  /** Which plans the rows get. */
  readonly phase: Phase;
  /** Tokens of the session when the prefill that the rows are part of has ended. */
  readonly promptEnd: number;
  /** Compute the logits of the last row. */
  readonly logits: boolean;
  /** Rows are in the cache already: recompute without appending, up to q of this layer. */
  readonly replayTo?: number;
  /** Tokens the context is planned for; dynamic RoPE scaling depends on it. */
  readonly contextTokens: number;
  /** Cancels the native calls. */
  readonly control: RunControl;
}

/** Executables of decode rows in one layer, `[row * heads + head]`. */
export interface DecodeRows {
  /** What each row's heads attended to. */
  readonly plans: readonly LayerPlan[];
  /** The executables. */
  readonly keys: readonly KeyPlan[];
  /** What selecting cost. */
  readonly searches: readonly SearchCost[];
}

/** A place of the pass, with what the engine itself needs of it. */
export interface ForwardEvent {
  /** For hooks and users. */
  readonly state: LayerState;
  /** Activations of the rows. */
  readonly tensors: Record<WorkspaceName, Tensor>;
  /** Executables, at stage `attention` of decode rows. */
  readonly decoded: DecodeRows | null;
}

/** What a pass works with. */
export interface ForwardParts {
  /** Executes. */
  readonly backend: Backend;
  /** Shapes and constants. */
  readonly config: ModelConfig;
  /** Weights in the backend's memory. */
  readonly weights: ModelWeights;
  /** Keys and values of the session. */
  readonly cache: PagedCache;
  /** Decides what is attended. */
  readonly method: Method;
  /** What the method may ask. */
  readonly indexes: SessionIndexes;
}

/** Rows whose logits are in memory together when a text is scored. */
const SCORED_ROWS = 32;

/** Passes over one session's cache. */
export class Forward {
  readonly #parts: ForwardParts;
  readonly #planner: Planner;
  readonly #statics: StaticAttention;
  readonly #tails: TailAttention;
  readonly #logits: Tensor;
  #workspace: Workspace;

  /** Passes over `parts.cache` of up to `rows` rows at once (grows when asked for more). */
  constructor(parts: ForwardParts, rows: number) {
    this.#parts = parts;
    const { backend, config, method, indexes } = parts;
    const search = new KeySearch(backend, config, indexes);
    this.#planner = new Planner(method, config, search);
    this.#statics = new StaticAttention(backend, config, method);
    this.#tails = new TailAttention(backend, search);
    this.#logits = backend.tensor([1, config.vocab]);
    this.#workspace = new Workspace(backend, config, rows);
  }

  /** Frees the activations, not the cache. */
  close(): void {
    this.#workspace.close();
    this.#logits.close();
  }

  /** Logits of the last pass that computed them. */
  readLogits(): Float32Array {
    return this.#logits.read();
  }

  /** One pass; the rows join the cache when the generator ends, and only then: otherwise nothing of them stays. */
  async *pass(request: ForwardRequest): AsyncGenerator<ForwardEvent, void> {
    const { cache, config } = this.#parts;
    const { ids, replayTo } = request;
    const replay = replayTo !== undefined;
    if (!replay) cache.reserve(ids.length);
    const positions = positionsOf(request);
    const rope = this.#ropeOfLayers(positions, request.contextTokens);
    try {
      const tensors = this.#rows(ids.length);
      yield* this.#embed(request, tensors);
      const known = new Map<string, TilePlan>();
      for (let layer = 0; layer < config.layers; layer++) {
        await breathe(request.control);
        const tables = config.windows[layer] === null ? rope.global : rope.local;
        yield* this.#qkv(request, layer, tensors, tables);
        if (layer === replayTo) return;
        if (!replay) await cache.append(layer, tensors.k, tensors.v, positions);
        yield* this.#attend(request, layer, tensors, known);
        yield* this.#output(request, layer, tensors);
      }
      if (request.logits) yield* this.#head(request, tensors);
      if (!replay) cache.commit(ids.length);
    } finally {
      if (!replay) cache.truncate(cache.length);
      for (const { cos, sin } of [rope.global, rope.local]) {
        cos.close();
        sin.close();
      }
    }
  }

  /** Log-probabilities of `targets[r]` after row `r` of the last pass. */
  async logProbs(targets: Int32Array, control: RunControl): Promise<Float32Array> {
    const { x } = this.#workspace.rows(targets.length);
    const found = new Float32Array(targets.length);
    for (let first = 0; first < targets.length; first += SCORED_ROWS) {
      const some = targets.subarray(first, first + SCORED_ROWS);
      found.set(await this.#scoreRows(x.rows(first, some.length), some, control), first);
    }
    return found;
  }

  async #scoreRows(x: Tensor, targets: Int32Array, control: RunControl): Promise<Float32Array> {
    const { backend, config, weights } = this.#parts;
    const logits = backend.tensor([targets.length, config.vocab]);
    try {
      await backend.logits(x, weights.norm, config.eps, weights.head, logits, control);
      return await backend.logProbs(logits, targets.slice());
    } finally {
      logits.close();
    }
  }

  async *#embed(
    request: ForwardRequest,
    tensors: Record<WorkspaceName, Tensor>,
  ): AsyncGenerator<ForwardEvent, void> {
    const { backend, config, weights } = this.#parts;
    await backend.embed(request.ids, weights.embed, config.embedScale, tensors.x);
    yield event(request, "embed", -1, tensors, ["x"]);
  }

  async *#qkv(
    request: ForwardRequest,
    layer: number,
    tensors: Record<WorkspaceName, Tensor>,
    rope: RopeTables,
  ): AsyncGenerator<ForwardEvent, void> {
    const { backend, weights } = this.#parts;
    await backend.qkv(tensors.x, weights.layers[layer]!.qkv, rope, tensors, request.control);
    yield event(request, "qkv", layer, tensors, ["q", "k", "v"]);
    if (request.phase === "prefill" && request.replayTo === undefined) {
      this.#parts.indexes.sample(layer, tensors.q, request.start);
    }
  }

  async *#attend(
    request: ForwardRequest,
    layer: number,
    tensors: Record<WorkspaceName, Tensor>,
    known: Map<string, TilePlan>,
  ): AsyncGenerator<ForwardEvent, void> {
    const isPrefill = request.phase === "prefill";
    const rows = this.#attendingRows(request, layer, tensors.q);
    const begun = isPrefill ? null : await this.#statics.begin(rows, tensors);
    const { plans, searches } = isPrefill
      ? await this.#planChunk(request, rows)
      : await this.#planRows(request, rows, begun);
    const planned = event(request, "plan", layer, tensors, [], plans);
    yield planned;
    this.#checkPlans(request, planned.state.plans);
    const decoded = isPrefill
      ? await this.#attendChunk(rows, tensors, planned.state.plans, known)
      : await this.#attendRows(request, rows, tensors, planned.state.plans, searches, begun);
    yield { ...event(request, "attention", layer, tensors, ["out", "lse", "q"]), decoded };
  }

  async *#output(
    request: ForwardRequest,
    layer: number,
    tensors: Record<WorkspaceName, Tensor>,
  ): AsyncGenerator<ForwardEvent, void> {
    const { backend, weights } = this.#parts;
    const { x, out } = tensors;
    await backend.output(x, out, weights.layers[layer]!.output, request.control);
    yield event(request, "output", layer, tensors, ["x"]);
  }

  async *#head(
    request: ForwardRequest,
    tensors: Record<WorkspaceName, Tensor>,
  ): AsyncGenerator<ForwardEvent, void> {
    const { backend, config, weights } = this.#parts;
    const last = tensors.x.rows(request.ids.length - 1, 1);
    const logits = this.#logits;
    await backend.logits(last, weights.norm, config.eps, weights.head, logits, request.control);
    const place = { stage: "logits" as const, layer: config.layers, ...placeOf(request) };
    yield { state: new LayerState(place, { logits }), tensors, decoded: null };
  }

  #attendingRows({ start, ids, control }: ForwardRequest, layer: number, q: Tensor): AttendingRows {
    const kv = this.#parts.cache.view(layer, start + ids.length);
    return { layer, start, q, kv, control };
  }

  async #planChunk(
    { promptEnd }: ForwardRequest,
    { layer, start: qStart, q, kv, control }: AttendingRows,
  ) {
    const { backend, config: { scale } } = this.#parts;
    const estimates = new ChunkEstimates(backend, { q, qStart, kv, scale, control });
    const place = { qStart, qLen: q.shape[0]!, promptEnd };
    const plan = await this.#planner.prefill(layer, place, estimates);
    return { plans: [plan], searches: estimates.costs };
  }

  async #planRows(request: ForwardRequest, rows: AttendingRows, begun: BegunAttention | null) {
    const plans: LayerPlan[] = [];
    const searches: SearchCost[] = [];
    for (const row of this.#searchingRows(request, rows, begun)) {
      const planned = await this.#planner.decode(row);
      plans.push(planned.plan);
      searches.push(...planned.searches);
    }
    return { plans, searches };
  }

  #searchingRows(
    { ids }: ForwardRequest,
    { layer, start, q, control }: AttendingRows,
    begun: BegunAttention | null,
  ): SearchingRow[] {
    const { cache, config: { heads, dim } } = this.#parts;
    const width = heads * dim;
    return Array.from(ids, (_, row) => {
      const queries = begun?.queries.subarray(row * width, (row + 1) * width);
      return { layer, position: start + row, q, row, queries, cache, control };
    });
  }

  async #attendChunk(
    { start, q, kv, control }: AttendingRows,
    tensors: Record<WorkspaceName, Tensor>,
    plans: readonly LayerPlan[],
    known: Map<string, TilePlan>,
  ): Promise<null> {
    const { backend, config: { scale } } = this.#parts;
    const tiles = lowerTiles(plans[0]!, start, q.shape[0]!, known);
    await backend.attendTiles(q, start, scale, kv, tiles, tensors, control);
    return null;
  }

  async #attendRows(
    request: ForwardRequest,
    rows: AttendingRows,
    tensors: Record<WorkspaceName, Tensor>,
    plans: readonly LayerPlan[],
    searches: readonly SearchCost[],
    begun: BegunAttention | null,
  ): Promise<DecodeRows> {
    const keys = plans.flatMap((plan, row) => lowerRows(plan, rows.start + row));
    await this.#statics.finish(rows, keys, begun, tensors);
    await this.#tails.add(this.#searchingRows(request, rows, begun), plans, searches, tensors);
    return { plans, keys, searches };
  }

  #checkPlans(request: ForwardRequest, plans: readonly LayerPlan[]): void {
    const { heads } = this.#parts.config;
    const wanted = request.phase === "prefill" ? 1 : request.ids.length;
    if (plans.length === wanted && plans.every((plan) => plan.heads.length === heads)) return;
    throw new RangeError(
      `Cannot attend as plans must be ${wanted} of ${heads} heads: current value is ` +
        `${plans.length} of ${plans.map((plan) => plan.heads.length)}`,
    );
  }

  /** Rotary tables of the layers that see all keys, and of those with a sliding window. */
  #ropeOfLayers(
    positions: Float32Array,
    contextTokens: number,
  ): { global: RopeTables; local: RopeTables } {
    const { rope, localRope } = this.#parts.config;
    const global = this.#ropeTables(rope, positions, contextTokens);
    const local = localRope ? this.#ropeTables(localRope, positions, contextTokens) : global;
    return { global, local };
  }

  #ropeTables(rope: RopeConfig, positions: Float32Array, contextTokens: number): RopeTables {
    const { backend } = this.#parts;
    const { cos, sin } = ropeTable(rope, positions, contextTokens);
    const shape = [1, positions.length, rope.rot / 2];
    return { cos: backend.tensor(shape, "f32", cos), sin: backend.tensor(shape, "f32", sin) };
  }

  #rows(rows: number): Record<WorkspaceName, Tensor> {
    if (rows > this.#workspace.capacity) {
      const old = this.#workspace;
      this.#workspace = new Workspace(this.#parts.backend, this.#parts.config, rows);
      old.close();
    }
    return this.#workspace.rows(rows);
  }
}

function positionsOf({ start, ids }: ForwardRequest): Float32Array {
  return Float32Array.from(ids, (_, row) => start + row);
}

function placeOf({ start, ids, replayTo }: ForwardRequest) {
  return { rows: { start, count: ids.length }, replay: replayTo !== undefined };
}

function event(
  request: ForwardRequest,
  stage: Stage,
  layer: number,
  tensors: Record<WorkspaceName, Tensor>,
  names: readonly (StateName & WorkspaceName)[],
  plans: readonly LayerPlan[] = [],
): ForwardEvent {
  const shown = Object.fromEntries(names.map((name) => [name, tensors[name]]));
  const state = new LayerState({ stage, layer, ...placeOf(request) }, shown, plans);
  return { state, tensors, decoded: null };
}
