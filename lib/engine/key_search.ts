/** Answers a method's questions to indexes: for one row of queries of a layer. */
import type { Backend, RunControl, Tensor, TopKeys } from "../../ffi/backend.ts";
import type { SearchAnswer, SearchRequest } from "../attention/method.ts";
import { windowStart } from "../attention/window.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import type { ModelConfig } from "../model/types.ts";
import { askingRows, listedKeys } from "../retrieval/asking_rows.ts";
import { exactIndex } from "../retrieval/exact.ts";
import type { IndexQuery, MassKind } from "../retrieval/kv_index.ts";
import type { LayerRetrieval } from "../retrieval/layer_retrieval.ts";
import { keysForMass, logSumExp } from "../retrieval/mass_cut.ts";
import type { SessionIndexes } from "./session_indexes.ts";

/** A row that asks. */
export interface SearchingRow {
  /** Its layer. */
  readonly layer: number;
  /** Place of its token in the cache. */
  readonly position: number;
  /** Queries, `[rows, heads, dim]`. */
  readonly q: Tensor;
  /** Row of `q`. */
  readonly row: number;
  /** The row's queries, `[heads, dim]`, where they have been read. */
  readonly queries?: Float32Array | undefined;
  /** Keys and values. */
  readonly cache: PagedCache;
  /** Cancels it. */
  readonly control: RunControl;
}

/** What a search says beside its answer, for each head. */
export interface HeadSearch {
  /** Query-key scores that were computed to select. */
  readonly scanned: number;
  /** Attention that is said to be kept. */
  readonly kept: KeptAttention | null;
}

/** Share of the attention that a head keeps, and how sure that is. */
export interface KeptAttention {
  /** Share of the whole softmax. */
  readonly mass: number;
  /** How it is known; a `bound` is never above the truth. */
  readonly kind: MassKind;
}

/** Searches of a session. */
export class KeySearch {
  readonly #backend: Backend;
  readonly #config: Pick<ModelConfig, "windows" | "scale">;
  readonly #indexes: SessionIndexes;

  /** Over the indexes of a session. */
  constructor(
    backend: Backend,
    config: Pick<ModelConfig, "windows" | "scale">,
    indexes: SessionIndexes,
  ) {
    this.#backend = backend;
    this.#config = config;
    this.#indexes = indexes;
  }

  /** Asks for keys of `[wish.sink, position + 1 - wish.window)`. */
  async search(
    request: SearchRequest,
    place: SearchingRow,
  ): Promise<{ readonly answer: SearchAnswer; readonly heads: readonly HeadSearch[] }> {
    const { wish: { sink, window } } = request;
    const end = place.position + 1 - window;
    const seen = windowStart(this.#config.windows[place.layer] ?? null, place.position);
    if (seen > sink) return await this.#searchWindow(request, place, seen, Math.max(seen, end));
    const retrieval = await this.#retrieval(request, place, end);
    if (!retrieval) return nothing(request, sink);
    const covered = Math.min(end, retrieval.end);
    const query = this.#query(request, place, covered, retrieval.end);
    const { found, scanned, mass } = request.topK === 0
      ? noAnswer(request)
      : await retrieval.search(query, place.control);
    const hasTail = retrieval.tailClusters > 0;
    const scans = Array.from(scanned, (count) => count + retrieval.tailClusters);
    const answer = { found, end: covered, hasTail };
    if (request.mass === undefined) return { answer, heads: scans.map(unmeasured) };
    const lse = mass ?? await this.#estimate(retrieval, query, found, place.control);
    if (!lse) throw cannotTell(request);
    return await this.#cut(request, place, query, answer, lse, scans);
  }

  /** The attention of heads over what was not retrieved; `null` where nothing is estimated. */
  async tail(
    request: Pick<SearchRequest, "wish" | "heads">,
    place: SearchingRow,
    end: number,
    retrieved: readonly ArrayLike<number>[],
  ) {
    const retrieval = await this.#retrieval(request, place, end);
    if (!retrieval) return null;
    const query = this.#query({ ...request, topK: 0 }, place, end, retrieval.end);
    return await retrieval.tail(query, retrieved, place.control);
  }

  /** Keys that a layer's sliding window shows beyond the method's: few, so that all are scored. */
  async #searchWindow(request: SearchRequest, place: SearchingRow, start: number, end: number) {
    if (start >= end) return nothing(request, end);
    const query = this.#query(request, place, end);
    const { found } = await exactIndex(this.#backend, { start, end }).search(query, place.control);
    const heads = request.heads.map(() => ({ scanned: end - start, kept: null }));
    return { answer: { found, end, hasTail: false }, heads };
  }

  async #retrieval(
    { wish }: Pick<SearchRequest, "wish">,
    { layer, position, cache, control }: SearchingRow,
    end: number,
  ): Promise<LayerRetrieval | null> {
    const view = cache.view(layer, position + 1);
    const found = await this.#indexes.at(layer, wish, view, end, control);
    return found && found.start < Math.min(end, found.end) ? found : null;
  }

  /** Asks for keys before `end`. An index that later rows have extended to `indexEnd` reads keys that this row does not see. */
  #query(
    { heads, topK, mass }: Pick<SearchRequest, "heads" | "topK" | "mass">,
    { layer, position, cache, q, row, queries }: SearchingRow,
    end: number,
    indexEnd = end,
  ): IndexQuery {
    const kv = cache.view(layer, Math.max(position + 1, indexEnd));
    const wantsMass = mass !== undefined;
    const most = Math.min(topK, end); // native calls make room for all they may find
    return { kv, q, row, queries, heads, end, topK: most, scale: this.#config.scale, wantsMass };
  }

  /** All keys of the index by what was found and the estimate of the rest. */
  async #estimate(
    retrieval: LayerRetrieval,
    query: IndexQuery,
    found: readonly TopKeys[],
    control: RunControl,
  ) {
    const rest = await retrieval.tail(query, found.map(({ indices }) => indices), control);
    if (!rest) return null;
    const lse = found.map(({ scores }, h) => {
      return logSumExp([logSumExp(scores, query.scale), rest.lse[h]!], 1);
    });
    return { lse, kind: "estimate" as const };
  }

  async #cut(
    request: SearchRequest,
    place: SearchingRow,
    query: IndexQuery,
    answer: SearchAnswer,
    whole: { readonly lse: ArrayLike<number>; readonly kind: MassKind },
    scanned: readonly number[],
  ) {
    const statics = await this.#staticLse(request, place, query, answer.end);
    const { scale } = query;
    const cuts = answer.found.map((found, h) => {
      const masses = { scale, staticLse: statics[h]!, indexLse: whole.lse[h]! };
      return keysForMass(found, request.mass!, masses);
    });
    const heads = cuts.map(({ mass }, h) => ({
      scanned: scanned[h]!,
      kept: { mass, kind: whole.kind },
    }));
    return { answer: { ...answer, found: cuts.map(({ kept }) => kept) }, heads };
  }

  /** Log-sum-exp of the keys before and behind the index. */
  async #staticLse(
    { wish: { sink }, heads }: SearchRequest,
    { position, control }: SearchingRow,
    query: IndexQuery,
    end: number,
  ): Promise<number[]> {
    const keys = statics(sink, end, position + 1);
    const listed = listedKeys(heads.map(() => keys));
    const scores = await this.#backend.indexes
      .scoreKeys(askingRows(query), query.kv, listed, control);
    return heads.map((_, h) => {
      return logSumExp(scores.subarray(h * keys.length, (h + 1) * keys.length), query.scale);
    });
  }
}

function statics(sink: number, end: number, length: number): Int32Array<ArrayBuffer> {
  const keys = new Int32Array(sink + length - end);
  for (let i = 0; i < keys.length; i++) keys[i] = i < sink ? i : end + i - sink;
  return keys;
}

function unmeasured(scanned: number): HeadSearch {
  return { scanned, kept: null };
}

/** Heads whose index is only estimated. */
function noAnswer({ heads }: SearchRequest) {
  const none = { indices: new Int32Array(), scores: new Float32Array() };
  return { found: heads.map(() => none), scanned: heads.map(() => 0), mass: null };
}

/** All keys from `end` on belong to the window. */
function nothing(request: SearchRequest, end: number) {
  const answer = { found: noAnswer(request).found, end, hasTail: false };
  return { answer, heads: request.heads.map(() => unmeasured(0)) };
}

function cannotTell({ wish: { index } }: SearchRequest): RangeError {
  return new RangeError(
    `Cannot search for a mass as the index must be exact, flat4 or pages, or the method have a tail: ` +
      `current index is ${index.kind}`,
  );
}
