/** The operations of {@link Backend} over a loaded native library. */
import { kvHeadNumber } from "../kernels/reference/attention.ts";
import type {
  AttentionRow,
  Awaitable,
  Backend,
  BackendInfo,
  BackendName,
  Compute,
  KeyBounds,
  KeyPlan,
  KvRows,
  KvView,
  MemoryTier,
  OutputWeights,
  Page,
  PageFile,
  PageFileOptions,
  PageSpec,
  PageTable,
  PageTier,
  PartialAttention,
  PooledBlocks,
  QkvTensors,
  QkvWeights,
  RopeTables,
  RunControl,
  Tensor,
  TilePlan,
  TopKeys,
  VerticalSlash,
  WeightDType,
  WeightFile,
} from "./backend.ts";
import {
  checkAttendKeys,
  checkAttendTiles,
  checkAttentionRow,
  checkMerge,
  checkPoolMap,
  checkTopKeys,
} from "./check_attention.ts";
import {
  checkAntidiagonalScores,
  checkBlockScores,
  checkBoundScores,
  checkKeyBounds,
  checkPoolKeys,
  checkPoolQueries,
  checkVerticalSlash,
} from "./check_estimates.ts";
import { checkPageCopy, checkPageSpec, checkPageTable, checkTensorShape } from "./check_memory.ts";
import { checkEmbed, checkLogits, checkLogProbs, checkOutput, checkQkv } from "./check_model.ts";
import { checkAppend, checkReadKv } from "./check_pages.ts";
import { bytesOf } from "./elements.ts";
import { checkedIndexes } from "./checked_indexes.ts";
import { LibraryError } from "./errors.ts";
import { HostIndexes } from "./host_indexes.ts";
import type { IndexOperations } from "./index_operations.ts";
import { NativeIndexes } from "./native_indexes.ts";
import type { NativeLibrary, RunOptions } from "./native_library.ts";
import { NativePageFile } from "./native_page_file.ts";
import { NativePage, nativePage, NativePageTable, pageBytes, pagesOf } from "./native_pages.ts";
import { after, NativeControl, nativeControl } from "./native_run.ts";
import { NativeTensor } from "./native_tensor.ts";
import { openNativeWeights } from "./native_weights.ts";
import { keyPlanPairs, packKeyPlans, packTilePlans, tilePlanPairs } from "./pack_plans.ts";

const ACTIVATION_CODES = { silu: 0, gelu_tanh: 1 } as const;

/** The backend of a native library: the one of the CPU, or of CUDA. */
export class NativeBackend implements Backend {
  /** Name of the backend. */
  get name(): BackendName {
    return this.library.backend;
  }
  /** The library behind it. */
  readonly library: NativeLibrary;
  /** What products are of, where the instruction set has such. */
  readonly compute: Compute;
  /** Operations of indexes over keys. */
  readonly indexes: IndexOperations;
  #queuesWork: boolean | undefined;

  /**
   * A backend over a library that was started.
   *
   * @param openHost opens the backend of the CPU, for indexes where `library` has none
   */
  constructor(
    library: NativeLibrary,
    compute: Compute,
    openHost: () => Promise<Backend> = noHost,
  ) {
    this.library = library;
    this.compute = compute;
    const indexes = library.hasIndexes
      ? new NativeIndexes(library)
      : new HostIndexes(this, openHost);
    this.indexes = checkedIndexes(this.name, indexes);
  }

  /** Whether a device works on calls that have returned. */
  get queuesWork(): boolean {
    return this.#queuesWork ??= this.library.info().device !== undefined;
  }

  /** What it runs on. */
  info(): BackendInfo {
    const { compute: possible, problem: _, ...info } = this.library.info();
    const compute = possible.includes(this.compute) ? this.compute : "f32";
    return { ...info, compute };
  }

  /** Bytes of tensors and pages that are open. */
  allocatedBytes(tier?: PageTier): number {
    const { fast, slow, file } = this.library.allocatedBytes;
    return tier === undefined ? fast + slow + file : this.library.allocatedBytes[tier];
  }

  /** A new zeroed tensor, or one filled with `data`. */
  tensor(shape: readonly number[], dtype: WeightDType = "f32", data?: Float32Array): NativeTensor {
    const count = checkTensorShape(shape, dtype, data);
    const memory = this.library.allocate(bytesOf(dtype, count));
    const at = { memory, offset: 0, owns: true };
    const tensor = new NativeTensor(this.library, [...shape], dtype, at);
    if (data) tensor.write(data);
    return tensor;
  }

  /** Maps a weight file. */
  openWeights(path: string): Promise<WeightFile> {
    return openNativeWeights(this.library, path);
  }

  /** A new zeroed page. */
  page(spec: PageSpec, tier?: MemoryTier): NativePage {
    checkPageSpec(spec, tier);
    const memory = this.library.allocate(pageBytes(this.library, spec), tier);
    const own = { ...spec };
    return new NativePage(memory, own, this.name, () => this.page(own, tier));
  }

  /** Makes a file of pages. */
  pageFile(spec: PageSpec, options: PageFileOptions): PageFile {
    return new NativePageFile(this.library, spec, options);
  }

  /** A copy of a page. */
  copyPage(page: Page, spec: PageSpec): NativePage {
    const source = nativePage(page, this.name);
    checkPageCopy(spec, page, source.spec);
    const copy = source.another();
    const { symbols } = this.library;
    const status = symbols.ll_copy(copy.address, source.address, BigInt(copy.sizeBytes));
    this.library.check(status, "copy a page");
    return copy;
  }

  /** A new empty page table. */
  pageTable(kvHeads: number, spec: PageSpec): PageTable {
    checkPageTable(kvHeads, spec);
    return new NativePageTable(kvHeads, { ...spec }, this.name);
  }

  /** A new control. */
  control(): RunControl {
    return new NativeControl();
  }

  /** `out[t] = scale * table[ids[t]]`. */
  embed(ids: Int32Array, table: Tensor, scale: number, out: Tensor): Awaitable<void> {
    checkEmbed(this.name, ids, table, scale, out);
    const [vocab, hidden] = dims(table);
    const [rows, target] = [native(table), native(out).target];
    return this.library.run(
      "ll_embed",
      [ids, ids.length, rows.address, rows.dtypeCode, vocab, hidden, scale, target],
      { work: ids.length * hidden },
    );
  }

  /** RMSNorm, projections, biases, head norms, rotary embedding. */
  qkv(
    x: Tensor,
    weights: QkvWeights,
    rope: RopeTables,
    out: QkvTensors,
    control?: RunControl,
  ): Awaitable<void> {
    checkQkv(this.name, x, weights, rope, out);
    const [tokens, hidden] = dims(x);
    const [, heads, dim] = dims(out.q);
    const [, kvHeads] = dims(out.k);
    const [tables, , half] = dims(rope.cos);
    const { eps, wq, wk, wv, bq, bk, bv, qNorm, kNorm } = weights;
    return this.library.run("ll_qkv", [
      ...[address(x), tokens, hidden, address(weights.norm), eps] as const,
      ...[address(wq), address(wk), address(wv), dtypeCodes(wq, wk, wv)] as const,
      ...[address(bq), address(bk), address(bv), address(qNorm), address(kNorm)] as const,
      ...[heads, kvHeads, dim] as const,
      ...[address(rope.cos), address(rope.sin), tables, 2 * half] as const,
      rope.tableOfHead ?? null,
      ...[target(out.q), target(out.k), target(out.v)] as const,
    ], this.#products(tokens * hidden * (heads + 2 * kvHeads) * dim, control));
  }

  /** Output projection, residual, RMSNorm, gated feed-forward, residual; in place. */
  output(
    x: Tensor,
    attention: Tensor,
    weights: OutputWeights,
    control?: RunControl,
  ): Awaitable<void> {
    checkOutput(this.name, x, attention, weights);
    const [tokens, hidden] = dims(x);
    const [ffn] = dims(weights.wGate);
    const [, width] = dims(weights.wo);
    const { wo, attentionPostNorm, norm, eps, wGate, wUp, wDown, ffnPostNorm, activation } =
      weights;
    return this.library.run("ll_output", [
      ...[target(x), tokens, hidden, address(attention), width] as const,
      ...[address(wo), address(attentionPostNorm), address(norm), eps] as const,
      ...[address(wGate), address(wUp), address(wDown)] as const,
      ...[dtypeCodes(wo, wGate, wUp, wDown), address(ffnPostNorm)] as const,
      ...[ffn, ACTIVATION_CODES[activation]] as const,
    ], this.#products(tokens * hidden * (width + 3 * ffn), control));
  }

  /** `rmsnorm(x) head^T`. */
  logits(
    x: Tensor,
    norm: Tensor,
    eps: number,
    head: Tensor,
    out: Tensor,
    control?: RunControl,
  ): Awaitable<void> {
    checkLogits(this.name, x, norm, eps, head, out);
    const [rows, hidden] = dims(x);
    const [vocab] = dims(head);
    return this.library.run("ll_logits", [
      ...[address(x), rows, hidden, address(norm), eps] as const,
      ...[address(head), native(head).dtypeCode, vocab, target(out)] as const,
    ], this.#products(rows * hidden * vocab, control));
  }

  /** Natural log-probability of `targets[t]` under `logits[t]`. */
  logProbs(logits: Tensor, targets: Int32Array): Awaitable<Float32Array> {
    checkLogProbs(this.name, logits, targets);
    const [rows, vocab] = dims(logits);
    const probs = new Float32Array(rows);
    const args = [address(logits), rows, vocab, targets, probs] as const;
    const work = 10 * rows * vocab; // an exponential each
    return after(this.library.run("ll_log_probs", [...args], { work }), () => probs);
  }

  /** Writes k and v as tokens `start ..`. */
  append(
    table: PageTable,
    start: number,
    k: Tensor,
    v: Tensor,
    positions: Float32Array,
  ): Awaitable<void> {
    checkAppend(this.name, table, start, k, v, positions);
    const [tokens, kvHeads, dim] = dims(k);
    const pages = table as NativePageTable;
    const { addresses, stride, dtypeCode } = pages;
    pages.written(start, start + tokens);
    return this.library.run("ll_append", [
      ...[addresses, stride, kvHeads, dim, dtypeCode] as const,
      ...[start, tokens, address(k), address(v), positions] as const,
    ], { work: 2 * tokens * kvHeads * dim });
  }

  /** Reads tokens `start .. start+count-1` of a KV head as f32. */
  readKv(
    table: PageTable,
    kvHead: number,
    start: number,
    count: number,
  ): KvRows {
    checkReadKv(this.name, table, kvHead, start, count);
    const { addresses, stride, dtypeCode, spec: { dim } } = table as NativePageTable;
    const [k, v] = [new Float32Array(count * dim), new Float32Array(count * dim)];
    const positions = new Float32Array(count);
    const status = this.library.symbols.ll_read_kv(
      ...[addresses, stride, kvHead, dim, dtypeCode, start, count, k, v, positions] as const,
    );
    this.library.check(status, "read keys and values");
    return { k, v, positions };
  }

  /** Attention of rows over tile plans. */
  attendTiles(
    q: Tensor,
    qStart: number,
    scale: number,
    kv: KvView,
    plans: readonly TilePlan[],
    out: PartialAttention,
    control?: RunControl,
  ): Awaitable<void> {
    checkAttendTiles(this.name, q, qStart, scale, kv, plans, out);
    const [tokens, heads, dim] = dims(q);
    const packed = packTilePlans(plans);
    return this.library.run("ll_attend_tiles", [
      ...[address(q), qStart, tokens, heads, kv.table.kvHeads, dim, scale] as const,
      ...[...pagesOf(kv), kv.length] as const,
      ...[packed, BigInt(packed.length), target(out.out), target(out.lse)] as const,
    ], this.#products(2 * dim * tilePlanPairs(plans), control));
  }

  /** Attention of rows over key plans. */
  attendKeys(
    q: Tensor,
    scale: number,
    kv: KvView,
    plans: readonly KeyPlan[],
    out: PartialAttention,
    control?: RunControl,
  ): Awaitable<void> {
    checkAttendKeys(this.name, q, scale, kv, plans, out);
    const [rows, heads, dim] = dims(q);
    const packed = packKeyPlans(plans);
    return this.library.run("ll_attend_keys", [
      ...[address(q), rows, heads, kv.table.kvHeads, dim, scale] as const,
      ...[...pagesOf(kv), kv.length] as const,
      ...[packed.rangePtr, packed.ranges, packed.indexPtr, packed.indices] as const,
      ...[target(out.out), target(out.lse)] as const,
    ], { work: 2 * dim * keyPlanPairs(packed), control: nativeControl(control) });
  }

  /** Merges partial attentions over disjoint keys. */
  merge(a: PartialAttention, b: PartialAttention, into: PartialAttention): Awaitable<void> {
    checkMerge(this.name, a, b, into);
    const dim = a.out.shape.at(-1)!;
    const { count } = native(a.out);
    return this.library.run("ll_merge", [
      ...[count / dim, dim, address(a.out), address(a.lse)] as const,
      ...[address(b.out), address(b.lse), target(into.out), target(into.lse)] as const,
    ], { work: 2 * count });
  }

  /** Probabilities of one query over a plan's keys. */
  attentionRow(
    q: Tensor,
    row: number,
    head: number,
    scale: number,
    kv: KvView,
    plan: KeyPlan,
  ): Awaitable<AttentionRow> {
    checkAttentionRow(this.name, q, row, head, scale, kv, plan);
    const [, heads, dim] = dims(q);
    const { ranges, indices } = plan;
    const probs = new Float32Array(kv.length);
    const lse = new Float32Array(1);
    const kvHead = kvHeadNumber(head, heads, kv.table.kvHeads);
    const running = this.library.run("ll_attention_row", [
      ...[elementOf(q, (row * heads + head) * dim), kvHead, dim, scale] as const,
      ...[...pagesOf(kv), kv.length] as const,
      ...[ranges, ranges.length / 2, indices, indices.length, probs, lse] as const,
    ], { work: kv.length + 2 * dim * keyPlanPairs(plan) });
    return after(running, () => ({ probs, lse: lse[0]! }));
  }

  /** Adds rows of a head's dense causal map to a pooled map. */
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
  ): Awaitable<void> {
    checkPoolMap(this.name, q, qStart, head, scale, kv, bins, sum, max);
    const [tokens, heads, dim] = dims(q);
    return this.library.run("ll_pool_map", [
      ...[address(q), qStart, tokens, heads, head, kv.table.kvHeads, dim, scale] as const,
      ...[...pagesOf(kv), kv.length] as const,
      ...[bins, sum, max] as const,
    ], { work: tokens * (qStart + tokens) * dim, control: nativeControl(control) });
  }

  /** The best keys of one query row for each of `heads`. */
  topKeys(
    q: Tensor,
    row: number,
    heads: readonly number[],
    kv: KvView,
    start: number,
    end: number,
    k: number,
    control?: RunControl,
  ): Awaitable<TopKeys[]> {
    checkTopKeys(this.name, q, row, heads, kv, start, end, k);
    const [, queryHeads, dim] = dims(q);
    const found = Math.min(k, end - start);
    if (found === 0) return heads.map(() => noKeys());
    const indices = new Int32Array(heads.length * found);
    const scores = new Float32Array(heads.length * found);
    const running = this.library.run("ll_top_keys", [
      ...[elementOf(q, row * queryHeads * dim), queryHeads, kv.table.kvHeads, dim] as const,
      ...[Int32Array.from(heads), heads.length, ...pagesOf(kv)] as const,
      ...[start, end, found, indices, scores] as const,
    ], { work: heads.length * (end - start) * dim, control: nativeControl(control) });
    return after(running, () => splitTopKeys(indices, scores, found));
  }

  /** Column and diagonal sums of the attention of rows. */
  verticalSlash(
    q: Tensor,
    qStart: number,
    heads: readonly number[],
    scale: number,
    kv: KvView,
    control?: RunControl,
  ): Awaitable<VerticalSlash[]> {
    checkVerticalSlash(this.name, q, qStart, heads, scale, kv);
    const [tokens, queryHeads, dim] = dims(q);
    const keys = qStart + tokens;
    const [vertical, slash] = [heads, heads].map(({ length }) => new Float32Array(length * keys));
    const running = this.library.run("ll_vertical_slash", [
      ...[address(q), qStart, tokens, queryHeads, Int32Array.from(heads), heads.length] as const,
      ...[kv.table.kvHeads, dim, scale, ...pagesOf(kv)] as const,
      ...[vertical!, slash!] as const,
    ], this.#products(2 * heads.length * tokens * keys * dim, control));
    const part = (sums: Float32Array, i: number) => sums.subarray(i * keys, (i + 1) * keys);
    const split = () =>
      heads.map((_, i) => ({ vertical: part(vertical!, i), slash: part(slash!, i) }));
    return after(running, split);
  }

  /** Means of runs of rows. */
  poolQueries(q: Tensor, block: number, out: Tensor, control?: RunControl): Awaitable<void> {
    checkPoolQueries(this.name, q, block, out);
    const [tokens, heads, dim] = dims(q);
    return this.library.run("ll_pool_queries", [
      ...[address(q), tokens, heads, dim, block, target(out)] as const,
    ], { work: tokens * heads * dim, control: nativeControl(control) });
  }

  /** Means of runs of keys. */
  poolKeys(
    kv: KvView,
    start: number,
    block: number,
    out: Tensor,
    control?: RunControl,
  ): Awaitable<void> {
    checkPoolKeys(this.name, kv, start, block, out);
    const { table: { kvHeads, spec: { dim } }, length: end } = kv;
    return this.library.run("ll_pool_keys", [
      ...[kvHeads, dim, ...pagesOf(kv), start, end, block, target(out)] as const,
    ], { work: (end - start) * kvHeads * dim, control: nativeControl(control) });
  }

  /** Scores of all pairs of blocks by their means. */
  blockScores(
    { q, k, qStart, block }: PooledBlocks,
    heads: readonly number[],
    scale: number,
    softmax: boolean,
    control?: RunControl,
  ): Awaitable<Float32Array> {
    checkBlockScores(this.name, { q, k, qStart, block }, heads, scale);
    const [qBlocks, queryHeads, dim] = dims(q);
    const [kBlocks, kvHeads] = dims(k);
    const scores = new Float32Array(heads.length * qBlocks * kBlocks);
    const running = this.library.run("ll_block_scores", [
      ...[address(q), qBlocks, queryHeads, Int32Array.from(heads), heads.length] as const,
      ...[address(k), kBlocks, kvHeads, dim, scale, qStart, block, Number(softmax)] as const,
      scores,
    ], { work: scores.length * dim, control: nativeControl(control) });
    return after(running, () => scores);
  }

  /** Block scores by sums along antidiagonals. */
  antidiagonalScores(
    q: Tensor,
    qStart: number,
    heads: readonly number[],
    scale: number,
    kv: KvView,
    stride: number,
    block: number,
    control?: RunControl,
  ): Awaitable<Float32Array> {
    checkAntidiagonalScores(this.name, q, qStart, heads, scale, kv, stride, block);
    const [tokens, queryHeads, dim] = dims(q);
    const keys = qStart + tokens;
    const size = Math.ceil(tokens / block) * Math.ceil(keys / block);
    const scores = new Float32Array(heads.length * size);
    const running = this.library.run("ll_antidiagonal_scores", [
      ...[address(q), qStart, tokens, queryHeads, Int32Array.from(heads), heads.length] as const,
      ...[kv.table.kvHeads, dim, scale, ...pagesOf(kv)] as const,
      ...[stride, block, scores] as const,
    ], { work: heads.length * tokens * keys * dim / stride, control: nativeControl(control) });
    return after(running, () => scores);
  }

  /** Least and largest value of each channel in runs of keys. */
  keyBounds(
    kv: KvView,
    start: number,
    block: number,
    out: KeyBounds,
    control?: RunControl,
  ): Awaitable<void> {
    checkKeyBounds(this.name, kv, start, block, out);
    const { table: { kvHeads, spec: { dim } }, length: end } = kv;
    return this.library.run("ll_key_bounds", [
      ...[kvHeads, dim, ...pagesOf(kv), start, end, block] as const,
      ...[target(out.min), target(out.max)] as const,
    ], { work: (end - start) * kvHeads * dim, control: nativeControl(control) });
  }

  /** Upper bound of the scores of each block of keys. */
  boundScores(
    q: Tensor,
    row: number,
    heads: readonly number[],
    { min, max }: KeyBounds,
    control?: RunControl,
  ): Awaitable<Float32Array> {
    checkBoundScores(this.name, q, row, heads, { min, max });
    const [, queryHeads, dim] = dims(q);
    const [blocks, kvHeads] = dims(min);
    const bounds = new Float32Array(heads.length * blocks);
    const running = this.library.run("ll_bound_scores", [
      ...[elementOf(q, row * queryHeads * dim), queryHeads, kvHeads, dim] as const,
      ...[Int32Array.from(heads), heads.length, address(min), address(max), blocks] as const,
      bounds,
    ], { work: 2 * bounds.length * dim, control: nativeControl(control) });
    return after(running, () => bounds);
  }

  #products(work: number, control: RunControl | undefined): RunOptions {
    return { work, control: nativeControl(control), compute: this.compute };
  }
}

function noHost(): Promise<Backend> {
  return Promise.reject(new LibraryError("There is no library of the CPU beside this one"));
}

function native(tensor: Tensor): NativeTensor {
  return tensor as NativeTensor; // the checks have seen that it belongs to this backend
}

function dtypeCodes(...tensors: readonly Tensor[]): Int32Array<ArrayBuffer> {
  const codes = new Int32Array(tensors.length);
  tensors.forEach((tensor, i) => codes[i] = native(tensor).dtypeCode);
  return codes;
}

function address(tensor: Tensor | null): bigint {
  return tensor === null ? 0n : native(tensor).address;
}

function target(tensor: Tensor): bigint {
  return native(tensor).target;
}

function elementOf(tensor: Tensor, index: number): bigint {
  return address(tensor) + BigInt(bytesOf(tensor.dtype, index));
}

function dims(tensor: Tensor): [number, number, number] {
  const [a = 0, b = 0, c = 0] = tensor.shape;
  return [a, b, c];
}

function noKeys(): TopKeys {
  return { indices: new Int32Array(0), scores: new Float32Array(0) };
}

function splitTopKeys(indices: Int32Array, scores: Float32Array, k: number): TopKeys[] {
  return Array.from({ length: indices.length / k }, (_, i) => ({
    indices: indices.slice(i * k, (i + 1) * k),
    scores: scores.slice(i * k, (i + 1) * k),
  }));
}
