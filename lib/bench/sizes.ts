/** Which shapes are measured. */
import type { MeasuredDType } from "./bench_case.ts";

/** Head size and element type of keys and values. */
export interface HeadKind {
  /** Size of a head. */
  readonly dim: number;
  /** Element type. */
  readonly dtype: MeasuredDType;
}

/** Shapes of all families. */
export interface Sizes {
  /** Tokens of dense prefill and decode. */
  readonly tokens: readonly number[];
  /** Tokens of sparse prefill and decode. */
  readonly sparseTokens: readonly number[];
  /** Tokens of dense prefill, and of dense decode, that peers are given, too. */
  readonly compared: { readonly prefill: readonly number[]; readonly decode: readonly number[] };
  /** Keys that graphs are built over: seconds to minutes, so that a usual run has none. */
  readonly builtTokens: readonly number[];
  /** Heads. */
  readonly kinds: readonly HeadKind[];
  /** Query heads of a KV head. */
  readonly groups: readonly number[];
  /** Shares of the query-key pairs that sparse prefill computes. */
  readonly tileShares: readonly number[];
  /** Shares of the keys that sparse decode attends to. */
  readonly keyShares: readonly number[];
  /** KV heads of decode: those of one layer, and so many that no cache holds them. */
  readonly decodeKvHeads: readonly number[];
  /** Rows of linear layers. */
  readonly rows: readonly number[];
  /** Hidden size and feed-forward size of linear layers. */
  readonly hidden: readonly [hidden: number, ffn: number];
}

/** What a usual run measures, in at most five minutes. */
export const DEFAULT_SIZES: Sizes = {
  tokens: [4096, 16384],
  sparseTokens: [16384],
  compared: { prefill: [4096], decode: [16384] },
  builtTokens: [],
  kinds: [
    { dim: 64, dtype: "bf16" },
    { dim: 128, dtype: "bf16" },
    { dim: 128, dtype: "f32" },
    { dim: 128, dtype: "int8" },
  ],
  groups: [1, 4],
  tileShares: [0.1, 0.3],
  keyShares: [0.01, 0.03],
  decodeKvHeads: [8, 128],
  rows: [512, 1],
  hidden: [2048, 8192],
};

/** What `--full` measures. */
export const FULL_SIZES: Sizes = {
  ...DEFAULT_SIZES,
  tokens: [1024, 4096, 8192, 16384, 32768, 65536, 131072],
  sparseTokens: [16384, 32768, 131072],
  compared: { prefill: [4096, 16384], decode: [16384, 131072] },
  builtTokens: [16384, 32768, 131072],
  kinds: [...DEFAULT_SIZES.kinds, { dim: 256, dtype: "bf16" }],
  groups: [1, 2, 4, 8],
};
