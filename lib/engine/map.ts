import type { Backend, KvView, RunControl, Tensor } from "../../ffi/backend.ts";
import { windowStart } from "../attention/window.ts";
import type { ModelConfig } from "../model/types.ts";
import { breathe } from "./breathe.ts";
import type { Passes } from "./passes.ts";
import { type RunScope, throwIfAborted } from "./run.ts";
import type { SessionModel } from "./session_types.ts";
import type { HeadRef } from "./step.ts";

/** Options of an attention map. */
export interface MapOptions {
  /**
   * Rows and columns of the pooled map at most; shorter texts get one bin a token.
   * @default 512
   */
  readonly bins?: number;
  /** Stops the computation. */
  readonly signal?: AbortSignal;
}

/**
 * Dense causal attention of one head, pooled; in a layer with a sliding window, over the keys of the window. Bin of
 * token `i` is `floor(i * bins / tokens)`.
 */
export interface AttentionMap {
  /** Layer of the head. */
  readonly layer: number;
  /** Query head. */
  readonly head: number;
  /** Tokens of the map. */
  readonly tokens: number;
  /** Rows and columns. */
  readonly bins: number;
  /** Mean over the queries of a row bin of the probability on a column bin, `[bins, bins]`: rows sum to 1. */
  readonly mean: Float32Array;
  /** Largest single probability in a cell, `[bins, bins]`. */
  readonly max: Float32Array;
}

/** The map of a head over all tokens of a session, whose keys must be in its cache. */
export async function mapHead(
  { backend, config }: Pick<SessionModel, "backend" | "config">,
  passes: Passes,
  { layer, head }: HeadRef,
  bins: number | undefined,
  { signal, control }: Pick<RunScope<never>, "signal" | "control">,
): Promise<AttentionMap> {
  const { cache } = passes.held;
  const map = newMap(config, layer, head, cache.length, bins);
  const kv = cache.view(layer);
  for (const segment of passes.segments(0, cache.length)) {
    throwIfAborted(signal);
    const request = { ...passes.request(segment, control), replayTo: layer };
    for await (const { state, tensors } of passes.places(request)) {
      if (state.stage !== "qkv" || state.layer !== layer) continue;
      await poolRows(backend, config, map, { q: tensors.q, start: segment.start }, kv, control);
    }
  }
  return map.finish();
}

/** A map that is being filled. */
interface GrowingMap {
  /** Layer of the head. */
  readonly layer: number;
  /** Query head. */
  readonly head: number;
  /** Rows and columns. */
  readonly bins: number;
  /** Sums of probabilities, `[bins, bins]`. */
  readonly sum: Float32Array;
  /** Maxima, `[bins, bins]`. */
  readonly max: Float32Array;
  /** The map, once every query was added. */
  finish(): AttentionMap;
}

/** Checks the arguments of a map and makes an empty one. */
function newMap(
  { layers, heads }: ModelConfig,
  layer: number,
  head: number,
  tokens: number,
  asked = 512,
): GrowingMap {
  checkBelow("layer", layer, layers);
  checkBelow("head", head, heads);
  if (tokens === 0) throw new RangeError("Cannot map as the session holds no keys: prefill first");
  if (!Number.isSafeInteger(asked) || asked < 1) {
    throw new RangeError(
      `Cannot map as bins must be a whole number >= 1: current value is ${asked}`,
    );
  }
  const bins = Math.min(asked, tokens);
  const sum = new Float32Array(bins * bins);
  const max = new Float32Array(bins * bins);
  const finish = () => ({ layer, head, tokens, bins, mean: meanOf(sum, bins, tokens), max });
  return { layer, head, bins, sum, max, finish };
}

/** Adds queries of the tokens from `start` on to a map: natively, or row by row where the layer's window hides keys. */
async function poolRows(
  backend: Backend,
  { scale, windows }: ModelConfig,
  map: GrowingMap,
  { q, start }: { q: Tensor; start: number },
  kv: KvView,
  control: RunControl,
): Promise<void> {
  const { head, bins, sum, max } = map;
  const window = windows[map.layer]!;
  if (window === null || window >= kv.length) {
    return await backend.poolMap(q, start, head, scale, kv, bins, sum, max, control);
  }
  for (let row = 0; row < q.shape[0]!; row++) {
    await breathe(control);
    const [first, end] = [windowStart(window, start + row), start + row + 1];
    const keys = { ranges: Int32Array.of(first, end), indices: new Int32Array() };
    const { probs } = await backend.attentionRow(q, row, head, scale, kv, keys);
    addRow(map, probs, first, start + row);
  }
}

/** `sum[bin(i)][bin(j)] += probs[j]` for `first <= j <= i`, and the same for the maximum. */
function addRow(map: GrowingMap, probs: Float32Array, first: number, i: number): void {
  const { bins, sum, max } = map;
  const bin = (token: number) => Math.floor(token * bins / probs.length);
  for (let j = first; j <= i; j++) {
    const cell = bin(i) * bins + bin(j);
    sum[cell]! += probs[j]!;
    max[cell] = Math.max(max[cell]!, probs[j]!);
  }
}

function meanOf(sum: Float32Array, bins: number, tokens: number): Float32Array {
  const counts = new Int32Array(bins);
  for (let i = 0; i < tokens; i++) counts[Math.floor(i * bins / tokens)]!++;
  return sum.map((value, cell) => value / counts[Math.floor(cell / bins)]!);
}

function checkBelow(name: string, value: number, end: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value >= end) {
    throw new RangeError(
      `Cannot map as ${name} must be 0 .. ${end - 1}: current value is ${value}`,
    );
  }
}
