/** The attention methods, as one object for notebooks: `methods.streaming({ window: 1024 })`. */
import {
  aShape,
  type AShapeOptions,
  slidingWindow,
  type SlidingWindowOptions,
  triShape,
  type TriShapeOptions,
} from "./a_shape.ts";
import { adaptive, type AdaptiveOptions } from "./adaptive.ts";
import { blockSparse, type BlockSparseOptions } from "./block_sparse.ts";
import { dense } from "./dense.ts";
import { flexPrefill, type FlexPrefillOptions } from "./flex_prefill.ts";
import type { Method } from "./method.ts";
import { minference, type MinferenceOptions } from "./minference.ts";
import { perHead } from "./per_head.ts";
import { retrieval, type RetrievalOptions } from "./retrieval.ts";
import { streaming, type StreamingOptions } from "./streaming.ts";
import { verticalSlash, type VerticalSlashOptions } from "./vertical_slash.ts";
import { xAttention, type XAttentionOptions } from "./x_attention.ts";

/** Attention methods by name. */
export interface Methods {
  /** Full causal attention: every query sees every key before it. */
  readonly dense: () => Method;
  /**
   * Attention sinks and a sliding window (StreamingLLM, Xiao et al. 2023). Governs prefill and decode.
   *
   * Throws `RangeError` if `sink` is negative or `window` is below 1.
   */
  readonly streaming: (options?: StreamingOptions) => Method;
  /**
   * RetrievalAttention (Liu et al. 2024, arXiv 2409.10516): first and recent keys, and the keys an index finds for each
   * query head. The context is prefilled densely; the question and every generated token go through the index.
   *
   * Throws `RangeError` if an option is out of range, or another than the modes of its head file were found with.
   */
  readonly retrieval: (options?: RetrievalOptions) => Method;
  /**
   * MInference's A-shape (Jiang et al. 2024, arXiv 2407.02490): first tokens and a sliding window, in the prefill.
   *
   * Throws `RangeError` if an option is out of range.
   */
  readonly aShape: (options?: AShapeOptions) => Method;
  /**
   * Tri-shape (Li et al. 2024, arXiv 2412.10319): an A-shape whose last rows see every key, in the prefill.
   *
   * Throws `RangeError` if an option is out of range.
   */
  readonly triShape: (options?: TriShapeOptions) => Method;
  /**
   * A sliding window without first tokens, in the prefill.
   *
   * Throws `RangeError` if an option is out of range.
   */
  readonly slidingWindow: (options?: SlidingWindowOptions) => Method;
  /**
   * MInference's vertical-slash (Jiang et al. 2024, arXiv 2407.02490): the last queries of each chunk choose columns and
   * diagonals, in the prefill.
   *
   * Throws `RangeError` if an option is out of range.
   */
  readonly verticalSlash: (options?: VerticalSlashOptions) => Method;
  /**
   * MInference's block-sparse attention (Jiang et al. 2024, arXiv 2407.02490): products of mean queries and mean keys choose
   * blocks, in the prefill.
   *
   * Throws `RangeError` if an option is out of range.
   */
  readonly blockSparse: (options?: BlockSparseOptions) => Method;
  /**
   * FlexPrefill (Lai et al. 2025, arXiv 2502.20766): each chunk's last block of queries decides for every head between columns
   * and diagonals and pairs of blocks, and how many of them hold a share of the attention, in the prefill.
   *
   * Throws `RangeError` if an option is out of range.
   */
  readonly flexPrefill: (options?: FlexPrefillOptions) => Method;
  /**
   * XAttention (Xu et al. 2025, arXiv 2503.16428): blocks whose antidiagonals hold a share of the scores, in the prefill.
   *
   * Throws `RangeError` if an option is out of range.
   */
  readonly xAttention: (options?: XAttentionOptions) => Method;
  /**
   * MInference (Jiang et al. 2024, arXiv 2407.02490): each head has the pattern that an offline search found for it, in the
   * prefill.
   *
   * Throws `RangeError` if an option is out of range, or a head of the file has no pattern.
   */
  readonly minference: (options: MinferenceOptions) => Method;
  /**
   * For each head and chunk the cheapest plan whose kept attention reaches a stated mass, by rows drawn all over the chunk; it
   * says what is known of that mass. In the prefill.
   *
   * Throws `RangeError` if an option is not of 0 .. 1.
   */
  readonly adaptive: (options?: AdaptiveOptions) => Method;
  /**
   * Gives each head its own method: `choose(layer, head)` is asked for every query head of every layer. Heads for
   * which it returns the same object are planned together.
   */
  readonly perHead: (choose: (layer: number, head: number) => Method) => Method;
}

/** Attention methods by name. */
export const methods: Methods = {
  dense,
  streaming,
  retrieval,
  aShape,
  triShape,
  slidingWindow,
  verticalSlash,
  blockSparse,
  flexPrefill,
  xAttention,
  minference,
  adaptive,
  perHead,
};
