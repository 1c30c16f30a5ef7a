/**
 * The backend in plain TypeScript: the oracle of the tests, and what runs where no native library can be had.
 *
 * bf16 tensors and pages are kept as rounded f32; `sizeBytes` states what they stand for.
 */
import { attendKeys, attendTiles, attentionRow, merge } from "../kernels/reference/attention.ts";
import {
  type Kv,
  kvHeadOf,
  type PartialArrays,
  type Queries,
} from "../kernels/reference/attention.ts";
import { bf16ToF32, f16ToF32, roundToBf16 } from "../kernels/reference/bf16.ts";
import { embed } from "../kernels/reference/linear.ts";
import { geluTanh, logits, logProbs, output, silu } from "../kernels/reference/output.ts";
import { append, type KvHead, type KvPage, readKv } from "../kernels/reference/pages.ts";
import { project } from "../kernels/reference/qkv.ts";
import { poolMap, topKeys } from "../kernels/reference/scan.ts";
import type { Steps } from "../kernels/reference/steps.ts";
import type {
  AttentionRow,
  Backend,
  BackendInfo,
  DType,
  FileDType,
  KeyPlan,
  KvRows,
  KvView,
  OutputWeights,
  Page,
  PageSpec,
  PageTable,
  PartialAttention,
  QkvTensors,
  QkvWeights,
  RopeTables,
  RunControl,
  Tensor,
  TilePlan,
  TopKeys,
  WeightFile,
} from "./backend.ts";
import { PAGE_TOKENS } from "./backend.ts";
import {
  checkAttendKeys,
  checkAttendTiles,
  checkAttentionRow,
  checkMerge,
  checkPoolMap,
  checkTopKeys,
} from "./check_attention.ts";
import {
  checkFileTensor,
  checkPageCopy,
  checkPageSpec,
  checkPageTable,
  checkRows,
  checkTableSet,
  checkTensorShape,
  checkWrite,
} from "./check_memory.ts";
import { checkEmbed, checkLogits, checkLogProbs, checkOutput, checkQkv } from "./check_model.ts";
import { checkAppend, checkReadKv } from "./check_pages.ts";
import { DTYPE_BYTES } from "./elements.ts";
import { BackendError, CancelledError, ShapeError } from "./errors.ts";

const PAUSE_AFTER_MS = 20;
const NAME = "reference";

/** Makes the reference backend. It needs no permission, except to read weight files. */
export function openReferenceBackend(): Backend {
  return new ReferenceBackend();
}

/** Bytes that are open. */
interface Account {
  bytes: number;
}

class ReferenceTensor implements Tensor {
  readonly backend = NAME;
  readonly sizeBytes: number;
  #data: Float32Array;
  #closed = false;

  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    data: Float32Array,
    readonly account: Account | null,
    readonly parent: ReferenceTensor | ReferenceFile | null,
  ) {
    this.#data = data;
    this.sizeBytes = data.length * DTYPE_BYTES[dtype];
    if (account) account.bytes += this.sizeBytes;
  }

  get closed(): boolean {
    return this.#closed || (this.parent?.closed ?? false);
  }

  get data(): Float32Array {
    if (this.closed) throw new BackendError("Cannot use tensor as it is closed");
    return this.#data;
  }

  rows(start: number, count: number): Tensor {
    checkRows(this.shape, start, count);
    const size = this.data.length / this.shape[0]!;
    const data = this.data.subarray(start * size, (start + count) * size);
    return new ReferenceTensor(this.dtype, [count, ...this.shape.slice(1)], data, null, this);
  }

  write(data: Float32Array): void {
    checkWrite(this.data.length, data);
    this.data.set(data);
    if (this.dtype === "bf16") roundToBf16(this.data);
  }

  read(): Float32Array {
    return this.data.slice();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#data = new Float32Array();
    if (this.account) this.account.bytes -= this.sizeBytes;
  }
}

class ReferencePage implements Page {
  readonly sizeBytes: number;
  readonly data: KvPage;
  closed = false;

  constructor(readonly spec: PageSpec, readonly account: Account) {
    const size = PAGE_TOKENS * spec.dim;
    this.sizeBytes = 2 * size * DTYPE_BYTES[spec.dtype] + 4 * PAGE_TOKENS;
    this.data = {
      k: new Float32Array(size),
      v: new Float32Array(size),
      positions: new Float32Array(PAGE_TOKENS),
    };
    account.bytes += this.sizeBytes;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.account.bytes -= this.sizeBytes;
  }
}

class ReferenceTable implements PageTable {
  readonly backend = NAME;
  readonly #pages: ReferencePage[][];

  constructor(readonly kvHeads: number, readonly spec: PageSpec) {
    this.#pages = Array.from({ length: kvHeads }, () => []);
  }

  set(kvHead: number, index: number, page: Page): void {
    const { spec } = ownPage(page);
    checkTableSet(this.kvHeads, this.spec, kvHead, index, page, spec);
    this.#pages[kvHead]![index] = ownPage(page);
  }

  holds(kvHead: number, index: number): boolean {
    return this.#pages[kvHead]?.[index]?.closed === false;
  }

  heads(): KvHead[] {
    const { dim } = this.spec;
    return this.#pages.map((pages) => ({ dim, pages: pages.map((page) => page.data) }));
  }
}

class ReferenceControl implements RunControl {
  cancelled = false;
  progress = 0;

  cancel(): void {
    this.cancelled = true;
  }
}

class ReferenceFile implements WeightFile {
  closed = false;
  readonly #tensors: Tensor[] = [];

  constructor(readonly path: string, readonly sizeBytes: number, readonly account: Account) {}

  async tensor(
    offset: number,
    stored: FileDType,
    shape: readonly number[],
    as: DType,
  ): Promise<Tensor> {
    if (this.closed) throw new BackendError("Cannot read a tensor of a file as the file is closed");
    const bytes = checkFileTensor(this.sizeBytes, offset, stored, shape);
    const data = toFloats(await readBytes(this.path, offset, bytes), stored);
    if (as === "bf16") roundToBf16(data);
    const tensor = new ReferenceTensor(as, [...shape], data, this.account, this);
    this.#tensors.push(tensor);
    return tensor;
  }

  close(): void {
    this.closed = true;
    for (const tensor of this.#tensors.splice(0)) tensor.close();
  }
}

class ReferenceBackend implements Backend {
  readonly name = NAME;
  readonly #account: Account = { bytes: 0 };

  info(): BackendInfo {
    return { backend: NAME, isa: "typescript", available: ["typescript"], threads: 1 };
  }

  allocatedBytes(): number {
    return this.#account.bytes;
  }

  tensor(shape: readonly number[], dtype: DType = "f32", data?: Float32Array): Tensor {
    const elements = new Float32Array(checkTensorShape(shape, data));
    const tensor = new ReferenceTensor(dtype, [...shape], elements, this.#account, null);
    if (data) tensor.write(data);
    return tensor;
  }

  async openWeights(path: string): Promise<WeightFile> {
    const { size } = await orBackendError(`open weight file ${path}`, () => Deno.stat(path));
    return new ReferenceFile(path, size, this.#account);
  }

  page(spec: PageSpec): Page {
    checkPageSpec(spec);
    return new ReferencePage({ ...spec }, this.#account);
  }

  copyPage(page: Page, spec: PageSpec): Page {
    const source = ownPage(page);
    checkPageCopy(spec, page, source.spec);
    const copy = new ReferencePage(source.spec, this.#account);
    copy.data.k.set(source.data.k);
    copy.data.v.set(source.data.v);
    copy.data.positions.set(source.data.positions);
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
      norm: dataOf(weights.norm),
      eps: weights.eps,
      wGate: dataOf(weights.wGate),
      wUp: dataOf(weights.wUp),
      wDown: dataOf(weights.wDown),
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
    const convert = table.spec.dtype === "bf16" ? roundToBf16 : (row: Float32Array) => row;
    for (const [head, kv] of (table as ReferenceTable).heads().entries()) {
      append(kv, head, start, dataOf(k), dataOf(v), positions, convert);
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

async function run(steps: Steps, control: RunControl | undefined): Promise<void> {
  const record = control as ReferenceControl | undefined;
  let resumed = performance.now();
  do {
    if (record?.cancelled) throw new CancelledError("Cannot finish the call as it was cancelled");
    if (steps.next().done) return;
    if (record) record.progress++;
    if (performance.now() - resumed < PAUSE_AFTER_MS) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    resumed = performance.now();
  } while (true);
}

async function readBytes(path: string, offset: number, count: number): Promise<Uint8Array> {
  return await orBackendError(`read weight file ${path}`, async () => {
    using file = await Deno.open(path);
    await file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const got = await file.read(bytes.subarray(done));
      if (got === null) throw new Error(`The file ends after ${offset + done} bytes`);
      done += got;
    }
    return bytes;
  });
}

async function orBackendError<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new BackendError(`Cannot ${action}: ${(cause as Error).message}`, { cause });
  }
}

function toFloats(bytes: Uint8Array, stored: FileDType): Float32Array {
  if (stored === "f32") return new Float32Array(bytes.buffer);
  const toF32 = stored === "bf16" ? bf16ToF32 : f16ToF32;
  return Float32Array.from(new Uint16Array(bytes.buffer), toF32);
}

function dataOf(tensor: Tensor): Float32Array {
  return (tensor as ReferenceTensor).data;
}

function maybe(tensor: Tensor | null): Float32Array | null {
  return tensor && dataOf(tensor);
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

function ownPage(page: Page): ReferencePage {
  if (page instanceof ReferencePage) return page;
  throw new ShapeError("Cannot use page as it must be a page of backend reference");
}
