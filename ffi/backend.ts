/**
 * The table of operations that `reference`, `cpu` and `cuda` implement. `lib/` sees nothing else of them.
 *
 * Operations write into tensors the caller made, return nothing or a promise (long calls run off the event
 * loop), and must be awaited before their arguments are touched again. Each validates its arguments first:
 * a wrong shape, or a closed tensor or page, is a `ShapeError` that names the argument. To read, write or view a closed
 * tensor, or to read a closed file, is a `BackendError`. A cancelled call throws `CancelledError`.
 */
import type { BlockType } from "../kernels/reference/blocks.ts";
import type { VerticalSlash } from "../kernels/reference/estimate_sums.ts";
import type { KvRows } from "../kernels/reference/pages.ts";
import type { KeyPlan, TilePlan } from "../kernels/reference/plans.ts";
import type { TopKeys } from "../kernels/reference/scan.ts";
import type { IndexOperations } from "./index_operations.ts";

export type { BlockType } from "../kernels/reference/blocks.ts";
export type { VerticalSlash } from "../kernels/reference/estimate_sums.ts";
export { type KvRows, PAGE_TOKENS } from "../kernels/reference/pages.ts";
export type { KeyPlan, TilePlan } from "../kernels/reference/plans.ts";
export { TILE_CAUSAL, TILE_FULL, TILE_MASKED } from "../kernels/reference/plans.ts";
export type { TopKeys } from "../kernels/reference/scan.ts";

/** A value, or a promise of it when the call is long enough to leave the event loop. */
export type Awaitable<T> = T | Promise<T>;

/** Element types of activations, keys and values. Arithmetic accumulates in f32 (f64 in the reference). */
export type DType = "f32" | "bf16";

/** Element types of weights: single numbers, or blocks of quantised ones along a row, as GGUF files hold them. */
export type WeightDType = DType | "f16" | BlockType;

/**
 * Element types of pages. `int8` holds integers times powers of two: a scale for each key channel of a page, and one
 * for each token's value.
 */
export type KvDType = DType | "int8";

/**
 * Where memory lies: `fast` is the device's own; `slow` is memory of the host that the device reads and writes itself. Where
 * there is no such device both are the same, which is `fast`.
 */
export type MemoryTier = "fast" | "slow";

/** Where a page lies: in memory, or in a `file` of a disk that is mapped, see {@link PageFile}. */
export type PageTier = MemoryTier | "file";

/** Names of the backends. */
export type BackendName = "reference" | "cpu" | "cuda";

/** An array in a backend's memory. It is owned by whoever made it; views do not own. */
export interface Tensor {
  /** Name of the backend that owns the memory. */
  readonly backend: BackendName;
  /** Element type. */
  readonly dtype: WeightDType;
  /** Dimensions, outermost first. */
  readonly shape: readonly number[];
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Whether `close` was called on it or on what it is a view of. */
  readonly closed: boolean;
  /** Elements `start .. start+count-1` of the first dimension, without copying. Valid while this tensor is open. */
  rows(start: number, count: number): Tensor;
  /**
   * Copies `data` (as many elements as the tensor has) in, converting to the dtype. Of quantised types only q8_0 and q4_1 can be
   * made; others are a `BackendError`.
   */
  write(data: Float32Array): void;
  /** Copies the elements out as f32. */
  read(): Float32Array;
  /** Frees the memory if this tensor owns it. Further use is a `BackendError`. Calling it twice is fine. */
  close(): void;
}

/** A weight file opened by a backend: tensors in it are views of the mapped or loaded file. */
export interface WeightFile {
  /** Size of the file in bytes. */
  readonly sizeBytes: number;
  /**
   * The tensor whose elements start at byte `offset`. Where the stored dtype is `as`, aligned, and the backend maps files,
   * it is a view; otherwise a copy, converted to `as`: f32, bf16, or q8_0 or q4_1 from what is no block. Throws `RangeError` when it
   * does not lie inside the file, `BackendError` when the file is closed.
   *
   * @param order the stored row of each row of the tensor; absent for the rows as they are
   */
  tensor(
    offset: number,
    stored: WeightDType,
    shape: readonly number[],
    as: WeightDType,
    order?: Int32Array,
  ): Promise<Tensor>;
  /** Ends the mapping and closes all tensors of it, converted copies included. Calling it twice is fine. */
  close(): void;
}

/** Memory of {@link PAGE_TOKENS} tokens of one layer and KV head: keys, values, positions. */
export interface Page {
  /** Size in bytes, positions included. */
  readonly sizeBytes: number;
  /** Where it lies. */
  readonly tier: PageTier;
  /** Bytes of the copy of a device's page in memory of the host, which indexes read: 0 until one does. */
  readonly hostBytes: number;
  /** Whether `close` was called. */
  readonly closed: boolean;
  /** Frees the page. The caller counts references. */
  close(): void;
}

/** Shape and element type of the pages of a cache. */
export interface PageSpec {
  /** Head dimension. */
  readonly dim: number;
  /** Element type of keys and values. */
  readonly dtype: KvDType;
}

/** How a file of pages is made. */
export interface PageFileOptions {
  /** Where; there must be no file yet. */
  readonly path: string;
  /**
   * Bytes that its pages may take.
   * @default as many as the disk has room for
   */
  readonly limitBytes?: number;
}

/**
 * Pages in a file, which the system writes out and drops when memory runs short: for caches that memory does not hold. The
 * file has no name as soon as it is made, so that nothing of it is left when the process ends, however it ends.
 */
export interface PageFile {
  /** Bytes that a page takes in it. */
  readonly pageBytes: number;
  /** Bytes that its pages may take. */
  readonly limitBytes: number;
  /** Bytes that its open pages take. */
  readonly usedBytes: number;
  /** A new zeroed page. Beyond the limit, or where the disk is full, it is a `BudgetError`. */
  page(): Page;
  /** Closes its pages and gives back their space. Calling it twice is fine. */
  close(): void;
}

/** Page table of one layer: which page holds tokens `256 p ..` of KV head `g`. It does not own pages. */
export interface PageTable {
  /** Name of the backend that made it. */
  readonly backend: BackendName;
  /** Number of KV heads. */
  readonly kvHeads: number;
  /** Shape and dtype of every page in it. */
  readonly spec: PageSpec;
  /** Enters `page` as number `index` of KV head `kvHead`. */
  set(kvHead: number, index: number, page: Page): void;
  /** Whether an open page is entered as number `index` of KV head `kvHead`. */
  holds(kvHead: number, index: number): boolean;
}

/** Keys and values an attention call may read: `length` tokens through a page table. */
export interface KvView {
  /** Page table of the layer. */
  readonly table: PageTable;
  /** Tokens in the cache. */
  readonly length: number;
}

/** Cancels a running call and reads its progress; one may serve many calls in turn. */
export interface RunControl {
  /** Makes the running call, and every later one with this control, throw `CancelledError` within 20 ms of work. */
  cancel(): void;
  /** Whether `cancel` was called. */
  readonly cancelled: boolean;
  /** Units of work finished by the calls so far. What a unit is differs by backend. */
  readonly progress: number;
}

/** Weights of a layer up to q, k and v, matrices of any type each. `null` where the family has none. */
export interface QkvWeights {
  /** `[hidden]` f32 */
  readonly norm: Tensor;
  /** RMSNorm epsilon. */
  readonly eps: number;
  /** `[heads * dim, hidden]` */
  readonly wq: Tensor;
  /** `[kvHeads * dim, hidden]` */
  readonly wk: Tensor;
  /** `[kvHeads * dim, hidden]` */
  readonly wv: Tensor;
  /** `[heads * dim]` f32 */
  readonly bq: Tensor | null;
  /** `[kvHeads * dim]` f32 */
  readonly bk: Tensor | null;
  /** `[kvHeads * dim]` f32 */
  readonly bv: Tensor | null;
  /** `[dim]` f32 */
  readonly qNorm: Tensor | null;
  /** `[dim]` f32 */
  readonly kNorm: Tensor | null;
}

/** Queries, keys and values of the tokens of a call. */
export interface QkvTensors {
  /** `[T, heads, dim]` */
  readonly q: Tensor;
  /** `[T, kvHeads, dim]` */
  readonly k: Tensor;
  /** `[T, kvHeads, dim]` */
  readonly v: Tensor;
}

/** Rotary tables of the tokens of a call. */
export interface RopeTables {
  /** `[tables, tokens, rot / 2]` f32 */
  readonly cos: Tensor;
  /** `[tables, tokens, rot / 2]` f32 */
  readonly sin: Tensor;
  /** Table of each head, query heads first: `[heads + kvHeads]`; absent for table 0 everywhere. */
  readonly tableOfHead?: Int32Array;
}

/** Gated activations. */
export type Activation = "silu" | "gelu_tanh";

/** Weights of a layer after attention, matrices of any type each. `null` where the family has none. */
export interface OutputWeights {
  /** `[hidden, heads * dim]` */
  readonly wo: Tensor;
  /** Norm of what attention adds, `[hidden]` f32 */
  readonly attentionPostNorm: Tensor | null;
  /** `[hidden]` f32 */
  readonly norm: Tensor;
  /** RMSNorm epsilon. */
  readonly eps: number;
  /** `[ffn, hidden]` */
  readonly wGate: Tensor;
  /** `[ffn, hidden]` */
  readonly wUp: Tensor;
  /** `[hidden, ffn]` */
  readonly wDown: Tensor;
  /** Norm of what the feed-forward layer adds, `[hidden]` f32 */
  readonly ffnPostNorm: Tensor | null;
  /** Activation of the gate. */
  readonly activation: Activation;
}

/** Attention over some of the keys, or over all: values and their log-sum-exp. */
export interface PartialAttention {
  /** `[..., dim]` */
  readonly out: Tensor;
  /** `[...]` */
  readonly lse: Tensor;
}

/** Attention row of one query. */
export interface AttentionRow {
  /** Probability of each key, `[kvLength]`, zero outside the plan. */
  readonly probs: Float32Array;
  /** Log-sum-exp of the scaled scores; `-Infinity` for an empty plan. */
  readonly lse: number;
}

/** Channelwise bounds of blocks of keys; blocks are numbered from the first key of a call on. */
export interface KeyBounds {
  /** Least value of each channel, `[blocks, kvHeads, dim]`. */
  readonly min: Tensor;
  /** Largest value of each channel, `[blocks, kvHeads, dim]`. */
  readonly max: Tensor;
}

/** Means of blocks of tokens whose pairs are scored, and where their queries begin. */
export interface PooledBlocks {
  /** `[qBlocks, heads, dim]`, of `poolQueries`. */
  readonly q: Tensor;
  /** `[kBlocks, kvHeads, dim]`, of `poolKeys` from key 0 on. */
  readonly k: Tensor;
  /** Token of the first row of the first block of queries. */
  readonly qStart: number;
  /** Tokens of a block. */
  readonly block: number;
}

/**
 * What operands are rounded to before they are multiplied in prefill (`attendTiles`) and, with weights of bf16, in projections of
 * many rows. bf16 only takes effect on instruction sets that multiply it (AMX, AVX-512-BF16); others compute in f32.
 */
export type Compute = "f32" | "bf16";

/** What `doctor` and error messages say about a backend. */
export interface BackendInfo {
  /** Its name. */
  readonly backend: BackendName;
  /** Instruction set or device in use. */
  readonly isa: string;
  /** Instruction sets of the library that this machine can run. */
  readonly available: readonly string[];
  /** What products of many rows are of; sums are f32. */
  readonly compute: Compute;
  /** Threads of the pool. */
  readonly threads: number;
  /** Memory that it has: `slow` only where that is other memory. */
  readonly tiers: readonly MemoryTier[];
  /** The device it runs on, where that is not the CPU. */
  readonly device?: DeviceInfo;
}

/** A device beside the CPU. */
export interface DeviceInfo {
  /** Its name. */
  readonly name: string;
  /** Version of CUDA that the driver speaks, such as `13.0`. */
  readonly driver: string;
  /** What the device can do, as CUDA numbers it: `9.0`. */
  readonly capability: string;
  /** Memory in bytes. */
  readonly memoryBytes: number;
  /** Number of multiprocessors. */
  readonly multiprocessors: number;
}

/** The operations. Tensors are f32 unless said otherwise; `T` is the number of tokens (rows) of the call. */
export interface Backend {
  /** Which one this is. */
  readonly name: BackendName;
  /**
   * Operations that indexes over keys are made of. They run on the CPU: beside a device they need its native library, without
   * which each rejects with `BackendError`.
   */
  readonly indexes: IndexOperations;
  /**
   * Whether calls return when their work is queued, so that the CPU may go on while a device works. Only results in memory of
   * JavaScript are waited for.
   */
  readonly queuesWork: boolean;
  /** What it runs on. */
  info(): BackendInfo;
  /** Bytes of tensors and pages that are open now, mapped weight files excluded: of all, or of those in one tier. */
  allocatedBytes(tier?: PageTier): number;
  /** A new zeroed tensor, or one filled with `data`, see `Tensor.write`. */
  tensor(shape: readonly number[], dtype?: WeightDType, data?: Float32Array): Tensor;
  /** Opens a weight file. */
  openWeights(path: string): Promise<WeightFile>;
  /**
   * A new zeroed page. Where the backend has no slow tier it lies in the fast one.
   *
   * @param tier default `fast`
   */
  page(spec: PageSpec, tier?: MemoryTier): Page;
  /**
   * Makes a file of pages.
   *
   * @throws {BackendError} when it cannot be made, or the backend has none: only `cpu` has
   */
  pageFile(spec: PageSpec, options: PageFileOptions): PageFile;
  /** A copy of a page, in the same tier, or the same file. */
  copyPage(page: Page, spec: PageSpec): Page;
  /** A new empty page table. */
  pageTable(kvHeads: number, spec: PageSpec): PageTable;
  /** A new control. */
  control(): RunControl;

  /** `out[t] = scale * table[ids[t]]`; table `[vocab, hidden]`, out `[T, hidden]`. An id outside the table is a `RangeError`. */
  embed(ids: Int32Array, table: Tensor, scale: number, out: Tensor): Awaitable<void>;
  /** RMSNorm, projections, biases, head norms, rotary embedding. x `[T, hidden]`, q `[T, heads, dim]`, k and v `[T, kvHeads, dim]`. */
  qkv(
    x: Tensor,
    weights: QkvWeights,
    rope: RopeTables,
    out: QkvTensors,
    control?: RunControl,
  ): Awaitable<void>;
  /** Output projection, residual, RMSNorm, gated feed-forward, residual, each addend through its post-norm if any; in place. x `[T, hidden]`, attention `[T, heads, dim]`. */
  output(
    x: Tensor,
    attention: Tensor,
    weights: OutputWeights,
    control?: RunControl,
  ): Awaitable<void>;
  /** `rmsnorm(x) head^T`; x `[T, hidden]`, head `[vocab, hidden]`, out `[T, vocab]`. */
  logits(
    x: Tensor,
    norm: Tensor,
    eps: number,
    head: Tensor,
    out: Tensor,
    control?: RunControl,
  ): Awaitable<void>;
  /** Natural log-probability of `targets[t]` under `logits[t]`; `[T]`. */
  logProbs(logits: Tensor, targets: Int32Array): Awaitable<Float32Array>;

  /**
   * Writes k and v `[T, kvHeads, dim]` as tokens `start ..` (pages must be entered); positions `[T]`. For int8 pages they
   * must be finite, else it is a `RangeError`; earlier keys of the first page may be rounded again to a larger scale.
   */
  append(
    table: PageTable,
    start: number,
    k: Tensor,
    v: Tensor,
    positions: Float32Array,
  ): Awaitable<void>;
  /** Reads tokens `start .. start+count-1` of a KV head as f32: k and v `[count, dim]`, positions `[count]`. */
  readKv(
    table: PageTable,
    kvHead: number,
    start: number,
    count: number,
  ): KvRows;

  /** Prefill: row `t` is token `qStart + t`. One plan per query head (the same object may repeat). q, out `[T, heads, dim]`, lse `[T, heads]`. */
  attendTiles(
    q: Tensor,
    qStart: number,
    scale: number,
    kv: KvView,
    plans: readonly TilePlan[],
    out: PartialAttention,
    control?: RunControl,
  ): Awaitable<void>;
  /** Decode: `plans[row * heads + head]`. q, out `[rows, heads, dim]`, lse `[rows, heads]`. */
  attendKeys(
    q: Tensor,
    scale: number,
    kv: KvView,
    plans: readonly KeyPlan[],
    out: PartialAttention,
    control?: RunControl,
  ): Awaitable<void>;
  /** Merges partial attentions over disjoint keys. out `[..., dim]`, lse the same without `dim`; `into` may be `a` or `b`. */
  merge(
    a: PartialAttention,
    b: PartialAttention,
    into: PartialAttention,
  ): Awaitable<void>;
  /** Probabilities of row `row`, head `head` of q `[rows, heads, dim]` over the plan's keys. */
  attentionRow(
    q: Tensor,
    row: number,
    head: number,
    scale: number,
    kv: KvView,
    plan: KeyPlan,
  ): Awaitable<AttentionRow>;
  /** Adds rows `qStart ..` of a head's dense causal map to `sum` and `max`, each `[bins, bins]`; bin of token i is `floor(i * bins / n)`, n = kv.length. */
  poolMap(
    q: Tensor,
    qStart: number,
    head: number,
    scale: number,
    kv: KvView,
    bins: number,
    sum: Float32Array,
    max: Float32Array,
    control?: RunControl,
  ): Awaitable<void>;
  /** The `k` best keys of `start <= j < end` for each of `heads` of row `row` of q `[rows, heads, dim]`. */
  topKeys(
    q: Tensor,
    row: number,
    heads: readonly number[],
    kv: KvView,
    start: number,
    end: number,
    k: number,
    control?: RunControl,
  ): Awaitable<TopKeys[]>;

  /**
   * Column and diagonal sums of the causal attention of the rows of q `[T, heads, dim]` (tokens `qStart ..`), one result per listed
   * head: `vertical[j] = sum_t a[t][j]`, `slash[x] = sum_t a[t][qStart + t - x]`, `a[t] = softmax(scale q[t] . k)`. Each has
   * `qStart + T` entries that add up to T. MInference passes the last 64 rows, FlexPrefill the last block.
   */
  verticalSlash(
    q: Tensor,
    qStart: number,
    heads: readonly number[],
    scale: number,
    kv: KvView,
    control?: RunControl,
  ): Awaitable<VerticalSlash[]>;
  /** Means of runs of `block` rows, of fewer at the end. q `[T, heads, dim]`, out `[ceil(T / block), heads, dim]`. */
  poolQueries(q: Tensor, block: number, out: Tensor, control?: RunControl): Awaitable<void>;
  /** Means of runs of `block` keys from `start` to the cache's end, of fewer at the end. out `[ceil((kv.length - start) / block), kvHeads, dim]`. */
  poolKeys(
    kv: KvView,
    start: number,
    block: number,
    out: Tensor,
    control?: RunControl,
  ): Awaitable<void>;
  /**
   * Scores of all pairs of blocks by their means, `[heads.length, qBlocks, kBlocks]`: `scale q[R] . k[C]` for the blocks C that
   * begin at or before the last token of R, `-Infinity` for the others (MInference's block-sparse ranking); with `softmax` each
   * row's softmax, 0 for the others (its paper, FlexPrefill).
   */
  blockScores(
    blocks: PooledBlocks,
    heads: readonly number[],
    scale: number,
    softmax: boolean,
    control?: RunControl,
  ): Awaitable<Float32Array>;
  /**
   * Block scores by sums along antidiagonals (XAttention), `[heads.length, ceil(T / block), ceil((qStart + T) / block)]`. Cell (I, J) is
   * `scale / S sum_r q[I S + S - 1 - r] . k[J S + r]`, S the stride, tokens beyond the last as zeros; a row of cells becomes its softmax
   * over the cells that begin at or before its last token, and a block sums its `(block / S)^2` cells, so that a row of blocks adds up to its
   * rows of cells. `block` is a multiple of `stride`; the paper's scale is `1 / (sqrt(dim) norm)`.
   */
  antidiagonalScores(
    q: Tensor,
    qStart: number,
    heads: readonly number[],
    scale: number,
    kv: KvView,
    stride: number,
    block: number,
    control?: RunControl,
  ): Awaitable<Float32Array>;
  /** Least and largest value of each channel in runs of `block` keys from `start` to the cache's end (Quest's pages). out as of `poolKeys`. */
  keyBounds(
    kv: KvView,
    start: number,
    block: number,
    out: KeyBounds,
    control?: RunControl,
  ): Awaitable<void>;
  /**
   * Upper bound of `q . k` over the keys of each block, for each of `heads` of row `row` of q `[rows, heads, dim]`:
   * `[heads.length, blocks]` of `sum_i max(q[i] min[i], q[i] max[i])` (Quest), without `1/sqrt(dim)`, rounded upwards:
   * never below the exact `q . k`.
   */
  boundScores(
    q: Tensor,
    row: number,
    heads: readonly number[],
    bounds: KeyBounds,
    control?: RunControl,
  ): Awaitable<Float32Array>;
}
