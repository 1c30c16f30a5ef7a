/**
 * The backend in plain TypeScript: the oracle of the tests, and what runs where no native library can be had.
 *
 * bf16 tensors and pages are kept as rounded f32; `sizeBytes` states what they stand for.
 */
import { attendKeys, attendTiles, attentionRow, merge } from "../kernels/reference/attention.ts";
import {
  type Kv,
  kvHeadNumber,
  kvHeadOf,
  type PartialArrays,
  type Queries,
} from "../kernels/reference/attention.ts";
import { roundToBf16 } from "../kernels/reference/bf16.ts";
import {
  type BlockRows,
  blockScores,
  boundScores,
  keyBounds,
  poolKeys,
  poolRows,
} from "../kernels/reference/estimate_blocks.ts";
import {
  antidiagonalScores,
  type VerticalSlash,
  verticalSlash,
} from "../kernels/reference/estimate_sums.ts";
import { embed } from "../kernels/reference/linear.ts";
import { geluTanh, logits, logProbs, output, silu } from "../kernels/reference/output.ts";
import { appendInt8 } from "../kernels/reference/int8.ts";
import { append, readKv } from "../kernels/reference/pages.ts";
import { project } from "../kernels/reference/qkv.ts";
import { poolMap, topKeys } from "../kernels/reference/scan.ts";
import type { Steps } from "../kernels/reference/steps.ts";
import type {
  AttentionRow,
  Backend,
  BackendInfo,
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
import {
  checkPageCopy,
  checkPageFile,
  checkPageSpec,
  checkPageTable,
  checkTensorShape,
  noPageFile,
} from "./check_memory.ts";
import { checkEmbed, checkLogits, checkLogProbs, checkOutput, checkQkv } from "./check_model.ts";
import { checkAppend, checkFinite, checkReadKv } from "./check_pages.ts";
import { REFERENCE_INDEXES } from "./reference_indexes.ts";
import { ownPage, ReferencePage, ReferenceTable } from "./reference_pages.ts";
import { ReferenceControl, run } from "./reference_run.ts";
import { type Account, openReferenceFile, ReferenceTensor } from "./reference_tensor.ts";

const NAME = "reference";

/** Makes the reference backend. It needs no permission, except to read weight files. */
export function openReferenceBackend(): Backend {
  return new ReferenceBackend();
}

class ReferenceBackend implements Backend {
  readonly name = NAME;
  readonly indexes = REFERENCE_INDEXES;
  readonly queuesWork = false;
  readonly #account: Account = { bytes: 0 };

  info(): BackendInfo {
    return {
      backend: NAME,
      isa: "typescript",
      available: ["typescript"],
      compute: "f32",
      threads: 1,
      tiers: ["fast"],
    };
  }

  allocatedBytes(tier: PageTier = "fast"): number {
    return tier === "fast" ? this.#account.bytes : 0;
  }

  tensor(shape: readonly number[], dtype: WeightDType = "f32", data?: Float32Array): Tensor {
    const elements = new Float32Array(checkTensorShape(shape, dtype, data));
    const tensor = new ReferenceTensor(dtype, [...shape], elements, this.#account, null);
    if (data) tensor.write(data);
    return tensor;
  }

  async openWeights(path: string): Promise<WeightFile> {
    return await openReferenceFile(path, this.#account);
  }

  page(spec: PageSpec, tier?: MemoryTier): Page {
    checkPageSpec(spec, tier);
    return new ReferencePage({ ...spec }, this.#account);
  }

  pageFile(spec: PageSpec, { limitBytes }: PageFileOptions): PageFile {
    checkPageFile(spec, limitBytes);
    throw noPageFile(NAME);
  }

  copyPage(page: Page, spec: PageSpec): Page {
    const source = ownPage(page);
    checkPageCopy(spec, page, source.spec);
    const copy = new ReferencePage(source.spec, this.#account);
    copy.data.k.set(source.data.k);
    copy.data.v.set(source.data.v);
    copy.data.positions.set(source.data.positions);
    copy.data.keyScales.set(source.data.keyScales);
    return copy;
  }

  pageTable(kvHeads: number, spec: PageSpec): PageTable {
    checkPageTable(kvHeads, spec);
    return new ReferenceTable(kvHeads, { ...spec });
  }

  control(): RunControl {
    return new ReferenceControl();
  }

  embed(ids: Int32Array, table: Tensor, scale: number, out: Tensor): void {
    checkEmbed(NAME, ids, table, scale, out);
    embed(ids, dataOf(table), scale, dataOf(out));
  }

  async qkv(
    x: Tensor,
    weights: QkvWeights,
    rope: RopeTables,
    out: QkvTensors,
    control?: RunControl,
  ): Promise<void> {
    checkQkv(NAME, x, weights, rope, out);
    await run(qkvSteps(x, weights, rope, out), control);
  }

  async output(
    x: Tensor,
    attention: Tensor,
    weights: OutputWeights,
    control?: RunControl,
  ): Promise<void> {
    checkOutput(NAME, x, attention, weights);
    const feedForward = {
      wo: dataOf(weights.wo),
      attentionPostNorm: maybe(weights.attentionPostNorm),
      norm: dataOf(weights.norm),
      eps: weights.eps,
      wGate: dataOf(weights.wGate),
      wUp: dataOf(weights.wUp),
      wDown: dataOf(weights.wDown),
      ffnPostNorm: maybe(weights.ffnPostNorm),
      activate: weights.activation === "silu" ? silu : geluTanh,
    };
    await run(output(dataOf(x), dataOf(attention), feedForward), control);
  }

  async logits(
    x: Tensor,
    norm: Tensor,
    eps: number,
    head: Tensor,
    out: Tensor,
    control?: RunControl,
  ): Promise<void> {
    checkLogits(NAME, x, norm, eps, head, out);
    await run(logits(dataOf(x), dataOf(norm), eps, dataOf(head), dataOf(out)), control);
  }

  logProbs(logits: Tensor, targets: Int32Array): Float32Array {
    checkLogProbs(NAME, logits, targets);
    return logProbs(dataOf(logits), targets);
  }

  append(table: PageTable, start: number, k: Tensor, v: Tensor, positions: Float32Array): void {
    checkAppend(NAME, table, start, k, v, positions);
    const [keys, values] = [dataOf(k), dataOf(v)];
    if (table.spec.dtype === "int8") checkFinite(keys, values);
    const convert = table.spec.dtype === "bf16" ? roundToBf16 : (row: Float32Array) => row;
    for (const [head, kv] of (table as ReferenceTable).heads().entries()) {
      if (table.spec.dtype === "int8") appendInt8(kv, head, start, keys, values, positions);
      else append(kv, head, start, keys, values, positions, convert);
    }
  }

  readKv(table: PageTable, kvHead: number, start: number, count: number): KvRows {
    checkReadKv(NAME, table, kvHead, start, count);
    return readKv((table as ReferenceTable).heads()[kvHead]!, start, count);
  }

  async attendTiles(
    q: Tensor,
    qStart: number,
    scale: number,
    kv: KvView,
    plans: readonly TilePlan[],
    out: PartialAttention,
    control?: RunControl,
  ): Promise<void> {
    checkAttendTiles(NAME, q, qStart, scale, kv, plans, out);
    const queries = queriesOf(q, scale);
    const steps = attendTiles(queries, qStart, kvOf(kv), plans, dataOf(out.out), dataOf(out.lse));
    await run(steps, control);
  }

  async attendKeys(
    q: Tensor,
    scale: number,
    kv: KvView,
    plans: readonly KeyPlan[],
    out: PartialAttention,
    control?: RunControl,
  ): Promise<void> {
    checkAttendKeys(NAME, q, scale, kv, plans, out);
    const queries = queriesOf(q, scale);
    const steps = attendKeys(queries, kvOf(kv), plans, dataOf(out.out), dataOf(out.lse));
    await run(steps, control);
  }

  merge(
    a: PartialAttention,
    b: PartialAttention,
    into: PartialAttention,
  ): void {
    checkMerge(NAME, a, b, into);
    merge(partialOf(a), partialOf(b), partialOf(into));
  }

  attentionRow(
    q: Tensor,
    row: number,
    head: number,
    scale: number,
    kv: KvView,
    plan: KeyPlan,
  ): AttentionRow {
    checkAttentionRow(NAME, q, row, head, scale, kv, plan);
    const query = queriesOf(q, scale);
    const probs = new Float32Array(kv.length);
    const first = (row * query.heads + head) * query.dim;
    const keys = kvHeadOf(kvOf(kv), query.heads, head);
    return { probs, lse: attentionRow(query.q.subarray(first), scale, keys, plan, probs) };
  }

  async poolMap(
    q: Tensor,
    qStart: number,
    head: number,
    scale: number,
    kv: KvView,
    bins: number,
    sum: Float32Array,
    max: Float32Array,
    control?: RunControl,
  ): Promise<void> {
    checkPoolMap(NAME, q, qStart, head, scale, kv, bins, sum, max);
    await run(poolMap(queriesOf(q, scale), qStart, head, kvOf(kv), bins, sum, max), control);
  }

  async topKeys(
    q: Tensor,
    row: number,
    heads: readonly number[],
    kv: KvView,
    start: number,
    end: number,
    k: number,
    control?: RunControl,
  ): Promise<TopKeys[]> {
    checkTopKeys(NAME, q, row, heads, kv, start, end, k);
    const found: TopKeys[] = [];
    await run(searchSteps(queriesOf(q, 1), row, heads, kvOf(kv), start, end, k, found), control);
    return found;
  }

  async verticalSlash(
    q: Tensor,
    qStart: number,
    heads: readonly number[],
    scale: number,
    kv: KvView,
    control?: RunControl,
  ): Promise<VerticalSlash[]> {
    checkVerticalSlash(NAME, q, qStart, heads, scale, kv);
    const keys = qStart + q.shape[0]!;
    const sums = heads.map(() => ({
      vertical: new Float32Array(keys),
      slash: new Float32Array(keys),
    }));
    const steps = heads.map((head, i) =>
      verticalSlash(queriesOf(q, scale), qStart, head, kvOf(kv), sums[i]!)
    );
    await run(oneByOne(steps), control);
    return sums;
  }

  async poolQueries(q: Tensor, block: number, out: Tensor, control?: RunControl): Promise<void> {
    checkPoolQueries(NAME, q, block, out);
    const [, heads = 0, dim = 0] = q.shape;
    await run(poolRows(dataOf(q), heads * dim, block, dataOf(out)), control);
  }

  async poolKeys(
    kv: KvView,
    start: number,
    block: number,
    out: Tensor,
    control?: RunControl,
  ): Promise<void> {
    checkPoolKeys(NAME, kv, start, block, out);
    const range = { start, end: kv.length, block };
    await run(poolKeys(kvOf(kv).heads, range, dataOf(out)), control);
  }

  async blockScores(
    { q, k, qStart, block }: PooledBlocks,
    heads: readonly number[],
    scale: number,
    softmax: boolean,
    control?: RunControl,
  ): Promise<Float32Array> {
    checkBlockScores(NAME, { q, k, qStart, block }, heads, scale);
    const size = q.shape[0]! * k.shape[0]!;
    const scores = new Float32Array(heads.length * size);
    const how = { scale, qStart, block, softmax };
    const steps = heads.map((head, i) => {
      const out = scores.subarray(i * size, (i + 1) * size);
      return blockScores(blockRowsOf(q), head, blockRowsOf(k), how, out);
    });
    await run(oneByOne(steps), control);
    return scores;
  }

  async antidiagonalScores(
    q: Tensor,
    qStart: number,
    heads: readonly number[],
    scale: number,
    kv: KvView,
    stride: number,
    block: number,
    control?: RunControl,
  ): Promise<Float32Array> {
    checkAntidiagonalScores(NAME, q, qStart, heads, scale, kv, stride, block);
    const tokens = q.shape[0]!;
    const size = Math.ceil(tokens / block) * Math.ceil((qStart + tokens) / block);
    const scores = new Float32Array(heads.length * size);
    const steps = heads.map((head, i) => {
      const out = scores.subarray(i * size, (i + 1) * size);
      const [queries, cells] = [queriesOf(q, scale), { stride, block }];
      return antidiagonalScores(queries, qStart, head, kvOf(kv), cells, out);
    });
    await run(oneByOne(steps), control);
    return scores;
  }

  async keyBounds(
    kv: KvView,
    start: number,
    block: number,
    out: KeyBounds,
    control?: RunControl,
  ): Promise<void> {
    checkKeyBounds(NAME, kv, start, block, out);
    const range = { start, end: kv.length, block };
    await run(keyBounds(kvOf(kv).heads, range, dataOf(out.min), dataOf(out.max)), control);
  }

  async boundScores(
    q: Tensor,
    row: number,
    heads: readonly number[],
    bounds: KeyBounds,
    control?: RunControl,
  ): Promise<Float32Array> {
    checkBoundScores(NAME, q, row, heads, bounds);
    const scores = new Float32Array(heads.length * bounds.min.shape[0]!);
    await run(boundSteps(q, row, heads, bounds, scores), control);
    return scores;
  }
}

function* qkvSteps(
  x: Tensor,
  weights: QkvWeights,
  { cos, sin, tableOfHead }: RopeTables,
  { q, k, v }: QkvTensors,
): Steps {
  const heads = q.shape[1]!;
  const dim = q.shape[2]!;
  const tables = tableOfHead ?? new Int32Array(heads + k.shape[1]!);
  const rope = { cos: dataOf(cos), sin: dataOf(sin), half: cos.shape[2]! };
  const projection = (
    [weight, bias, headNorm]: readonly [Tensor, Tensor | null, Tensor | null],
    tableOfHead: Int32Array | null,
  ) => ({ weight: dataOf(weight), bias: maybe(bias), headNorm: maybe(headNorm), tableOfHead });
  const parts = [
    [projection([weights.wq, weights.bq, weights.qNorm], tables.subarray(0, heads)), q],
    [projection([weights.wk, weights.bk, weights.kNorm], tables.subarray(heads)), k],
    [projection([weights.wv, weights.bv, null], null), v],
  ] as const;
  for (const [part, out] of parts) {
    yield* project(dataOf(x), dataOf(weights.norm), weights.eps, part, rope, dim, dataOf(out));
  }
}

function* searchSteps(
  { q, heads, dim }: Queries,
  row: number,
  chosen: readonly number[],
  kv: Kv,
  start: number,
  end: number,
  k: number,
  found: TopKeys[],
): Steps {
  for (const head of chosen) {
    const first = (row * heads + head) * dim;
    found.push(topKeys(q, first, kvHeadOf(kv, heads, head), start, end, k));
    yield;
  }
}

function* boundSteps(
  q: Tensor,
  row: number,
  heads: readonly number[],
  bounds: KeyBounds,
  scores: Float32Array,
): Steps {
  const [, queryHeads = 0, dim = 0] = q.shape;
  const [min, max] = [blockRowsOf(bounds.min), blockRowsOf(bounds.max)];
  for (const [i, head] of heads.entries()) {
    const first = (row * queryHeads + head) * dim;
    const kvHead = kvHeadNumber(head, queryHeads, min.heads);
    const some = boundScores(dataOf(q), first, kvHead, min, max);
    scores.set(some, i * some.length);
    yield;
  }
}

function* oneByOne(all: readonly Steps[]): Steps {
  for (const steps of all) yield* steps;
}

function dataOf(tensor: Tensor): Float32Array {
  return (tensor as ReferenceTensor).data;
}

function maybe(tensor: Tensor | null): Float32Array | null {
  return tensor && dataOf(tensor);
}

function blockRowsOf(tensor: Tensor): BlockRows {
  return { data: dataOf(tensor), heads: tensor.shape[1]!, dim: tensor.shape[2]! };
}

function partialOf({ out, lse }: PartialAttention): PartialArrays {
  return { out: dataOf(out), lse: dataOf(lse) };
}

function queriesOf(q: Tensor, scale: number): Queries {
  return { q: dataOf(q), heads: q.shape[1]!, dim: q.shape[2]!, scale };
}

function kvOf({ table, length }: KvView): Kv {
  return { heads: (table as ReferenceTable).heads(), length };
}
