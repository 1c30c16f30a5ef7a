/**
 * Argument checks shared by all backends: one function per operation of {@link Backend}, taking the backend's
 * name and then the operation's own arguments.
 *
 * A wrong shape, length, dtype, owner or plan is a `ShapeError`, a number out of range a `RangeError`; both name the argument.
 * Checks cost at most one pass over ids and over each distinct plan.
 */
import type {
  BackendName,
  DType,
  FileDType,
  KeyPlan,
  KvView,
  OutputWeights,
  Page,
  PageSpec,
  PageTable,
  QkvWeights,
  RopeTables,
  RunControl,
  Tensor,
  TilePlan,
} from "./backend.ts";
import { PAGE_TOKENS, TILE_MASKED } from "./backend.ts";
import { ShapeError } from "./errors.ts";

/** What the checks read of a backend's own tensors and pages beyond the public interface. */
export interface Closable {
  /** Whether `close` was called on it or on what it is a view of. */
  readonly closed: boolean;
}

/** What the checks read of a backend's own page tables beyond {@link PageTable}. */
export interface CheckedTable extends PageTable {
  /** Name of the backend that made it. */
  readonly backend: BackendName;
  /** Whether an open page is entered as number `index` of KV head `kvHead`. */
  holds(kvHead: number, index: number): boolean;
}

/** A partial attention: values and their log-sum-exp. */
export interface PartialAttention {
  /** `[..., dim]` f32 */
  readonly out: Tensor;
  /** `[...]` f32 */
  readonly lse: Tensor;
}

interface Call {
  readonly backend?: BackendName;
  readonly action: string;
}

type Dimension = number | string;

const F32: readonly DType[] = ["f32"];
const WEIGHTS: readonly DType[] = ["f32", "bf16"];

/** Checks the arguments of `Backend.embed`. */
export function checkEmbed(
  backend: BackendName,
  ids: Int32Array,
  table: Tensor,
  scale: number,
  out: Tensor,
): void {
  const call = { backend, action: "embed" };
  const [vocab = 0, hidden = 0] = tensor(call, "table", table, ["vocab", "hidden"], WEIGHTS);
  tensor(call, "out", out, [ids.length, hidden]);
  finite(call, "scale", scale);
  eachInside(call, "ids", ids, vocab);
}

/** Checks the arguments of `Backend.qkv`. */
export function checkQkv(
  backend: BackendName,
  x: Tensor,
  weights: QkvWeights,
  rope: RopeTables,
  out: { q: Tensor; k: Tensor; v: Tensor },
  _control?: RunControl,
): void {
  const call = { backend, action: "compute q, k and v" };
  const [tokens = 0, hidden = 0] = tensor(call, "x", x, ["tokens", "hidden"]);
  const [, heads = 0, dim = 0] = tensor(call, "out.q", out.q, [tokens, "heads", "dim"]);
  const [, kvHeads = 0] = tensor(call, "out.k", out.k, [tokens, "kvHeads", dim]);
  tensor(call, "out.v", out.v, [tokens, kvHeads, dim]);
  grouped(call, heads, kvHeads);
  tensor(call, "weights.norm", weights.norm, [hidden]);
  epsilon(call, "weights.eps", weights.eps);
  tensor(call, "weights.wq", weights.wq, [heads * dim, hidden], WEIGHTS);
  const dtype = [weights.wq.dtype];
  tensor(call, "weights.wk", weights.wk, [kvHeads * dim, hidden], dtype);
  tensor(call, "weights.wv", weights.wv, [kvHeads * dim, hidden], dtype);
  optional(call, "weights.bq", weights.bq, heads * dim);
  optional(call, "weights.bk", weights.bk, kvHeads * dim);
  optional(call, "weights.bv", weights.bv, kvHeads * dim);
  optional(call, "weights.qNorm", weights.qNorm, dim);
  optional(call, "weights.kNorm", weights.kNorm, dim);
  ropeTables(call, rope, tokens, heads + kvHeads, dim);
}

/** Checks the arguments of `Backend.output`. */
export function checkOutput(
  backend: BackendName,
  x: Tensor,
  attention: Tensor,
  weights: OutputWeights,
  _control?: RunControl,
): void {
  const call = { backend, action: "compute the layer's output" };
  const [tokens = 0, hidden = 0] = tensor(call, "x", x, ["tokens", "hidden"]);
  const [, heads = 0, dim = 0] = tensor(call, "attention", attention, [tokens, "heads", "dim"]);
  tensor(call, "weights.wo", weights.wo, [hidden, heads * dim], WEIGHTS);
  const dtype = [weights.wo.dtype];
  tensor(call, "weights.norm", weights.norm, [hidden]);
  epsilon(call, "weights.eps", weights.eps);
  const [ffn = 0] = tensor(call, "weights.wGate", weights.wGate, ["ffn", hidden], dtype);
  tensor(call, "weights.wUp", weights.wUp, [ffn, hidden], dtype);
  tensor(call, "weights.wDown", weights.wDown, [hidden, ffn], dtype);
  if (weights.activation !== "silu" && weights.activation !== "gelu_tanh") {
    throw range(call, "weights.activation must be silu or gelu_tanh", weights.activation);
  }
}

/** Checks the arguments of `Backend.logits`. */
export function checkLogits(
  backend: BackendName,
  x: Tensor,
  norm: Tensor,
  eps: number,
  head: Tensor,
  out: Tensor,
  _control?: RunControl,
): void {
  const call = { backend, action: "compute logits" };
  const [tokens = 0, hidden = 0] = tensor(call, "x", x, ["tokens", "hidden"]);
  tensor(call, "norm", norm, [hidden]);
  epsilon(call, "eps", eps);
  const [vocab = 0] = tensor(call, "head", head, ["vocab", hidden], WEIGHTS);
  tensor(call, "out", out, [tokens, vocab]);
}

/** Checks the arguments of `Backend.logProbs`. */
export function checkLogProbs(backend: BackendName, logits: Tensor, targets: Int32Array): void {
  const call = { backend, action: "compute log-probabilities" };
  const [tokens = 0, vocab = 0] = tensor(call, "logits", logits, ["tokens", "vocab"]);
  lengthIs(call, "targets", targets, tokens);
  eachInside(call, "targets", targets, vocab);
}

/** Checks the arguments of `Backend.append`. */
export function checkAppend(
  backend: BackendName,
  table: PageTable,
  start: number,
  k: Tensor,
  v: Tensor,
  positions: Float32Array,
): void {
  const call = { backend, action: "append" };
  ownTable(call, "table", table);
  const [tokens = 0] = tensor(call, "k", k, ["tokens", table.kvHeads, table.spec.dim]);
  tensor(call, "v", v, [tokens, table.kvHeads, table.spec.dim]);
  lengthIs(call, "positions", positions, tokens);
  inside(call, "start", start, 0, 2 ** 31 - tokens);
  for (let kvHead = 0; kvHead < table.kvHeads; kvHead++) {
    pagesOfRange(call, table, kvHead, start, start + tokens);
  }
}

/** Checks the arguments of `Backend.readKv`. */
export function checkReadKv(
  backend: BackendName,
  table: PageTable,
  kvHead: number,
  start: number,
  count: number,
): void {
  const call = { backend, action: "read keys and values" };
  ownTable(call, "table", table);
  inside(call, "kvHead", kvHead, 0, table.kvHeads - 1);
  inside(call, "start", start, 0, 2 ** 31 - 1);
  inside(call, "count", count, 0, 2 ** 31 - 1 - start);
  pagesOfRange(call, table, kvHead, start, start + count);
}

/** Checks the arguments of `Backend.attendTiles`. */
export function checkAttendTiles(
  backend: BackendName,
  q: Tensor,
  qStart: number,
  scale: number,
  kv: KvView,
  plans: readonly TilePlan[],
  out: PartialAttention,
  _control?: RunControl,
): void {
  const call = { backend, action: "attend" };
  const { tokens, heads } = attentionShapes(call, q, scale, kv, out);
  checkTilePlans(plans, tokens, heads, qStart, kv.length);
  pagesOfPlans(call, kv, heads, plans, pagesOfTilePlan);
}

/** Checks the arguments of `Backend.attendKeys`. */
export function checkAttendKeys(
  backend: BackendName,
  q: Tensor,
  scale: number,
  kv: KvView,
  plans: readonly KeyPlan[],
  out: PartialAttention,
  _control?: RunControl,
): void {
  const call = { backend, action: "attend" };
  const { tokens, heads } = attentionShapes(call, q, scale, kv, out);
  checkKeyPlans(plans, tokens * heads, kv.length);
  pagesOfPlans(call, kv, heads, plans, pagesOfKeyPlan);
}

/** Checks the arguments of `Backend.merge`. */
export function checkMerge(
  backend: BackendName,
  a: PartialAttention,
  b: PartialAttention,
  into: PartialAttention,
): void {
  const call = { backend, action: "merge" };
  const shape = tensor(
    call,
    "a.out",
    a.out,
    a.out.shape.length > 1 ? a.out.shape : ["rows", "dim"],
  );
  tensor(call, "b.out", b.out, shape);
  tensor(call, "into.out", into.out, shape);
  const rows = shape.slice(0, -1);
  tensor(call, "a.lse", a.lse, rows);
  tensor(call, "b.lse", b.lse, rows);
  tensor(call, "into.lse", into.lse, rows);
}

/** Checks the arguments of `Backend.attentionRow`. */
export function checkAttentionRow(
  backend: BackendName,
  q: Tensor,
  row: number,
  head: number,
  scale: number,
  kv: KvView,
  plan: KeyPlan,
): void {
  const call = { backend, action: "compute an attention row" };
  const { tokens, heads } = queryShape(call, q, kv);
  inside(call, "row", row, 0, tokens - 1);
  inside(call, "head", head, 0, heads - 1);
  finite(call, "scale", scale);
  checkKeyPlan(call, "plan", plan, kv.length);
  pagesOf(call, kv, kvHeadOf(kv, heads, head), pagesOfKeyPlan(plan, kv.length));
}

/** Checks the arguments of `Backend.poolMap`. */
export function checkPoolMap(
  backend: BackendName,
  q: Tensor,
  qStart: number,
  head: number,
  scale: number,
  kv: KvView,
  bins: number,
  sum: Float32Array,
  max: Float32Array,
  _control?: RunControl,
): void {
  const call = { backend, action: "pool an attention map" };
  const { tokens, heads } = queryShape(call, q, kv);
  rowsInside(call, qStart, tokens, kv.length);
  inside(call, "head", head, 0, heads - 1);
  finite(call, "scale", scale);
  inside(call, "bins", bins, 1, kv.length);
  lengthIs(call, "sum", sum, bins * bins);
  lengthIs(call, "max", max, bins * bins);
  pagesOfRange(call, kv.table, kvHeadOf(kv, heads, head), 0, qStart + tokens);
}

/** Checks the arguments of `Backend.topKeys`. */
export function checkTopKeys(
  backend: BackendName,
  q: Tensor,
  row: number,
  heads: readonly number[],
  kv: KvView,
  start: number,
  end: number,
  k: number,
  _control?: RunControl,
): void {
  const call = { backend, action: "search keys" };
  const shape = queryShape(call, q, kv);
  inside(call, "row", row, 0, shape.tokens - 1);
  inside(call, "start", start, 0, kv.length);
  inside(call, "end", end, start, kv.length);
  inside(call, "k", k, 1, 2 ** 31 - 1);
  for (const [i, head] of heads.entries()) {
    inside(call, `heads[${i}]`, head, 0, shape.heads - 1);
    pagesOfRange(call, kv.table, kvHeadOf(kv, shape.heads, head), start, end);
  }
}

/**
 * Checks the tile plans of a call: one per head, row and column pointers rising from 0 to the end, tiles and columns
 * inside the cache, masks whole. That no key is held twice by a row is not checked.
 *
 * @throws {ShapeError} naming the first wrong plan and field
 */
export function checkTilePlans(
  plans: readonly TilePlan[],
  tokens: number,
  heads: number,
  qStart: number,
  kvLength: number,
): void {
  const call: Call = { action: "attend" };
  rowsInside(call, qStart, tokens, kvLength);
  lengthIs(call, "plans", plans, heads);
  const seen = new Set<TilePlan>();
  for (const [head, plan] of plans.entries()) {
    if (!seen.has(plan)) checkTilePlan(call, `plans[${head}]`, plan, tokens, kvLength);
    seen.add(plan);
  }
}

/**
 * Checks the key plans of a call: as many as rows times heads, ranges rising and disjoint, single keys rising and
 * outside the ranges, all inside the cache.
 *
 * @throws {ShapeError} naming the first wrong plan and field
 */
export function checkKeyPlans(plans: readonly KeyPlan[], count: number, kvLength: number): void {
  const call: Call = { action: "attend" };
  lengthIs(call, "plans", plans, count);
  const seen = new Set<KeyPlan>();
  for (const [i, plan] of plans.entries()) {
    if (!seen.has(plan)) checkKeyPlan(call, `plans[${i}]`, plan, kvLength);
    seen.add(plan);
  }
}

/**
 * Checks the shape of a new tensor and returns its number of elements.
 *
 * @throws {ShapeError} when a dimension is no positive integer, or `data` has another length
 */
export function checkTensorShape(shape: readonly number[], data?: Float32Array): number {
  const call: Call = { action: "make a tensor" };
  const count = shape.reduce((product, size) => product * size, 1);
  const whole = shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!whole || !Number.isSafeInteger(count * 4)) {
    throw wrong(call, "shape must hold positive integers", shapeText(shape));
  }
  if (data) lengthIs(call, "data", data, count);
  return count;
}

/** Checks the arguments of `Tensor.rows`: at least one row, all inside the tensor (`RangeError`). */
export function checkRows(shape: readonly number[], start: number, count: number): void {
  const call: Call = { action: "take rows" };
  if (shape.length === 0) throw wrong(call, "the tensor must have a dimension", "[]");
  const rows = shape[0] ?? 0;
  inside(call, "start", start, 0, rows - 1);
  inside(call, "count", count, 1, rows - start);
}

/** Checks the arguments of `Tensor.write`: as many numbers as the tensor has (`ShapeError`). */
export function checkWrite(count: number, data: Float32Array): void {
  lengthIs({ action: "write a tensor" }, "data", data, count);
}

/**
 * Checks the arguments of `WeightFile.tensor` and returns the number of bytes to read.
 *
 * @throws {ShapeError} when the shape is no list of positive integers
 * @throws {RangeError} when the tensor does not lie inside the file
 */
export function checkFileTensor(
  fileBytes: number,
  offset: number,
  stored: FileDType,
  shape: readonly number[],
): number {
  const call: Call = { action: "read a tensor of a file" };
  const bytes = checkTensorShape(shape) * (stored === "f32" ? 4 : 2);
  if (bytes > fileBytes) {
    throw range(call, `shape ${shapeText(shape)} must fit the file of ${fileBytes} bytes`, bytes);
  }
  inside(call, "offset", offset, 0, fileBytes - bytes);
  return bytes;
}

/** Checks the spec of a new page or page table: `dim` is a positive integer (`ShapeError`). */
export function checkPageSpec(spec: PageSpec): void {
  const call: Call = { action: "make a page" };
  if (!Number.isSafeInteger(spec.dim) || spec.dim < 1) {
    throw wrong(call, "spec.dim must be a positive integer", spec.dim);
  }
  if (spec.dtype !== "f32" && spec.dtype !== "bf16") {
    throw wrong(call, "spec.dtype must be f32 or bf16", spec.dtype);
  }
}

/** Checks the arguments of `Backend.pageTable`: at least one KV head (`ShapeError`) and a possible spec. */
export function checkPageTable(kvHeads: number, spec: PageSpec): void {
  if (!Number.isSafeInteger(kvHeads) || kvHeads < 1) {
    throw wrong({ action: "make a page table" }, "kvHeads must be a positive integer", kvHeads);
  }
  checkPageSpec(spec);
}

/** Checks the arguments of `Backend.copyPage`: the page is open and of the spec. */
export function checkPageCopy(spec: PageSpec, page: Page, pageSpec: PageSpec): void {
  pageFits({ action: "copy a page" }, spec, page, pageSpec);
}

/** Checks the arguments of `PageTable.set`: the head exists, the index is a number of a page, the page fits the spec. */
export function checkTableSet(
  kvHeads: number,
  spec: PageSpec,
  kvHead: number,
  index: number,
  page: Page,
  pageSpec: PageSpec,
): void {
  const call: Call = { action: "enter a page" };
  inside(call, "kvHead", kvHead, 0, kvHeads - 1);
  inside(call, "index", index, 0, 2 ** 31 / PAGE_TOKENS - 1);
  pageFits(call, spec, page, pageSpec);
}

function pageFits(call: Call, spec: PageSpec, page: Page, pageSpec: PageSpec): void {
  if (isClosed(page)) throw wrong(call, "page must be open", "a closed page");
  if (pageSpec.dim !== spec.dim || pageSpec.dtype !== spec.dtype) {
    const expected = `page must be of ${spec.dtype} and dimension ${spec.dim}`;
    throw wrong(call, expected, `${pageSpec.dtype} and ${pageSpec.dim}`);
  }
}

function attentionShapes(
  call: Call,
  q: Tensor,
  scale: number,
  kv: KvView,
  out: PartialAttention,
): { tokens: number; heads: number } {
  const { tokens, heads } = queryShape(call, q, kv);
  finite(call, "scale", scale);
  tensor(call, "out.out", out.out, q.shape);
  tensor(call, "out.lse", out.lse, [tokens, heads]);
  return { tokens, heads };
}

function queryShape(call: Call, q: Tensor, kv: KvView): { tokens: number; heads: number } {
  ownTable(call, "kv.table", kv.table);
  inside(call, "kv.length", kv.length, 0, 2 ** 31 - 1);
  const shape = ["tokens", "heads", kv.table.spec.dim];
  const [tokens = 0, heads = 0] = tensor(call, "q", q, shape);
  grouped(call, heads, kv.table.kvHeads);
  return { tokens, heads };
}

function ropeTables(
  call: Call,
  rope: RopeTables,
  tokens: number,
  heads: number,
  dim: number,
): void {
  const shape = tensor(call, "rope.cos", rope.cos, ["tables", tokens, "rot / 2"]);
  const [tables = 0, , half = 0] = shape;
  if (2 * half > dim) {
    throw wrong(call, `rope.cos must turn at most ${dim} dimensions`, 2 * half);
  }
  tensor(call, "rope.sin", rope.sin, shape);
  if (!rope.tableOfHead) return;
  lengthIs(call, "rope.tableOfHead", rope.tableOfHead, heads);
  eachInside(call, "rope.tableOfHead", rope.tableOfHead, tables);
}

function checkTilePlan(
  call: Call,
  name: string,
  plan: TilePlan,
  tokens: number,
  kvLength: number,
): void {
  const { tileQ, tileK, keyStart, kind, masks, columns } = plan;
  if (!Number.isInteger(tileQ) || tileQ < 1 || tileQ > 64) {
    throw wrong(call, `${name}.tileQ must be an integer of 1 to 64`, tileQ);
  }
  if (tileK !== 32 && tileK !== 64) throw wrong(call, `${name}.tileK must be 32 or 64`, tileK);
  const rowTiles = Math.ceil(tokens / tileQ);
  pointers(call, `${name}.rowPtr`, plan.rowPtr, rowTiles, keyStart.length);
  pointers(call, `${name}.colPtr`, plan.colPtr, rowTiles, columns.length);
  lengthIs(call, `${name}.kind`, kind, keyStart.length);
  const maskWords = tileQ * (tileK / 32);
  if (masks.length % maskWords !== 0) {
    throw wrong(call, `${name}.masks must have a multiple of ${maskWords} words`, masks.length);
  }
  keysInside(call, `${name}.keyStart`, keyStart, kvLength);
  keysInside(call, `${name}.columns`, columns, kvLength);
  const kinds = TILE_MASKED + masks.length / maskWords;
  const badKind = kind.findIndex((value) => value < 0 || value >= kinds);
  if (badKind >= 0) {
    throw wrong(call, `${name}.kind[${badKind}] must be in 0 to ${kinds - 1}`, kind[badKind]);
  }
  for (let r = 0; r < rowTiles; r++) {
    rising(call, `${name}.columns`, columns, plan.colPtr[r] ?? 0, plan.colPtr[r + 1] ?? 0);
  }
}

function checkKeyPlan(call: Call, name: string, plan: KeyPlan, kvLength: number): void {
  const { ranges, indices } = plan;
  if (ranges.length % 2) throw wrong(call, `${name}.ranges must hold pairs`, ranges.length);
  let previousEnd = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const start = ranges[i] ?? 0;
    const end = ranges[i + 1] ?? 0;
    if (start < previousEnd || end <= start || end > kvLength) {
      const where =
        `${name}.ranges must rise without overlap inside the cache of ${kvLength} tokens`;
      throw wrong(call, where, `${start} to ${end}`);
    }
    previousEnd = end;
  }
  keysInside(call, `${name}.indices`, indices, kvLength);
  rising(call, `${name}.indices`, indices, 0, indices.length);
  outsideRanges(call, name, plan);
}

function outsideRanges(call: Call, name: string, { ranges, indices }: KeyPlan): void {
  let r = 0;
  for (const key of indices) {
    while (r < ranges.length && (ranges[r + 1] ?? 0) <= key) r += 2;
    if (r < ranges.length && (ranges[r] ?? 0) <= key) {
      throw wrong(call, `${name}.indices must lie outside the ranges`, key);
    }
  }
}

function pointers(call: Call, name: string, ptr: Int32Array, rows: number, end: number): void {
  lengthIs(call, name, ptr, rows + 1);
  let ok = ptr[0] === 0 && ptr[rows] === end;
  for (let r = 0; r < rows; r++) ok &&= (ptr[r] ?? 0) <= (ptr[r + 1] ?? 0);
  if (!ok) throw wrong(call, `${name} must rise from 0 to ${end}`, `[${sample(ptr)}]`);
}

function rising(call: Call, name: string, keys: Int32Array, start: number, end: number): void {
  for (let i = start + 1; i < end; i++) {
    if ((keys[i - 1] ?? 0) >= (keys[i] ?? 0)) {
      throw wrong(call, `${name} must rise`, `${keys[i - 1]}, ${keys[i]}`);
    }
  }
}

function keysInside(call: Call, name: string, keys: Int32Array, kvLength: number): void {
  for (const key of keys) {
    if (key < 0 || key >= kvLength) {
      throw wrong(call, `${name} must lie inside the cache of ${kvLength} tokens`, key);
    }
  }
}

function pagesOfPlans<P extends TilePlan | KeyPlan>(
  call: Call,
  kv: KvView,
  heads: number,
  plans: readonly P[],
  pagesOfPlan: (plan: P, kvLength: number) => Uint8Array,
): void {
  if (isComplete(kv)) return;
  const cache = new Map<P, Uint8Array>();
  for (const [i, plan] of plans.entries()) {
    const pages = cache.get(plan) ?? pagesOfPlan(plan, kv.length);
    cache.set(plan, pages);
    pagesOf(call, kv, kvHeadOf(kv, heads, i % heads), pages);
  }
}

function isComplete({ table, length }: KvView): boolean {
  for (let kvHead = 0; kvHead < table.kvHeads; kvHead++) {
    for (let p = 0; p * PAGE_TOKENS < length; p++) {
      if (!holds(table, kvHead, p)) return false;
    }
  }
  return true;
}

function pagesOfTilePlan(plan: TilePlan, kvLength: number): Uint8Array {
  const pages = new Uint8Array(Math.ceil(kvLength / PAGE_TOKENS));
  for (const start of plan.keyStart) {
    const last = Math.min(start + plan.tileK, kvLength) - 1;
    pages[Math.floor(start / PAGE_TOKENS)] = 1;
    pages[Math.floor(last / PAGE_TOKENS)] = 1;
  }
  for (const key of plan.columns) pages[Math.floor(key / PAGE_TOKENS)] = 1;
  return pages;
}

function pagesOfKeyPlan({ ranges, indices }: KeyPlan, kvLength: number): Uint8Array {
  const pages = new Uint8Array(Math.ceil(kvLength / PAGE_TOKENS));
  for (let i = 0; i < ranges.length; i += 2) {
    const first = Math.floor((ranges[i] ?? 0) / PAGE_TOKENS);
    pages.fill(1, first, Math.ceil((ranges[i + 1] ?? 0) / PAGE_TOKENS));
  }
  for (const key of indices) pages[Math.floor(key / PAGE_TOKENS)] = 1;
  return pages;
}

function pagesOf(call: Call, kv: KvView, kvHead: number, pages: Uint8Array): void {
  for (const [p, used] of pages.entries()) if (used) pageIn(call, kv.table, kvHead, p);
}

function pagesOfRange(
  call: Call,
  table: PageTable,
  kvHead: number,
  start: number,
  end: number,
): void {
  for (let p = Math.floor(start / PAGE_TOKENS); p * PAGE_TOKENS < end; p++) {
    pageIn(call, table, kvHead, p);
  }
}

function pageIn(call: Call, table: PageTable, kvHead: number, index: number): void {
  if (holds(table, kvHead, index)) return;
  throw wrong(call, `the page table must hold page ${index} of KV head ${kvHead}`, "no open page");
}

function holds(table: PageTable, kvHead: number, index: number): boolean {
  return (table as CheckedTable).holds(kvHead, index);
}

function kvHeadOf(kv: KvView, heads: number, head: number): number {
  return Math.floor(head / (heads / kv.table.kvHeads));
}

function tensor(
  call: Call,
  name: string,
  value: Tensor,
  shape: readonly Dimension[],
  dtypes: readonly DType[] = F32,
): readonly number[] {
  if (value.backend !== call.backend) {
    throw wrong(call, `${name} must be a tensor of backend ${call.backend}`, value.backend);
  }
  if (isClosed(value)) throw wrong(call, `${name} must be open`, "a closed tensor");
  if (!dtypes.includes(value.dtype)) {
    throw wrong(call, `${name} must be ${dtypes.join(" or ")}`, value.dtype);
  }
  if (!sameShape(value.shape, shape)) {
    throw wrong(call, `${name} must have shape ${shapeText(shape)}`, shapeText(value.shape));
  }
  return value.shape;
}

function sameShape(shape: readonly number[], wanted: readonly Dimension[]): boolean {
  return shape.length === wanted.length &&
    wanted.every((size, i) => typeof size === "string" || size === shape[i]);
}

function optional(call: Call, name: string, value: Tensor | null, size: number): void {
  if (value) tensor(call, name, value, [size]);
}

function ownTable(call: Call, name: string, table: PageTable): void {
  const { backend } = table as CheckedTable;
  if (backend === call.backend) return;
  throw wrong(call, `${name} must be a page table of backend ${call.backend}`, backend);
}

function isClosed(value: Tensor | Page): boolean {
  return (value as Partial<Closable>).closed === true;
}

function grouped(call: Call, heads: number, kvHeads: number): void {
  if (heads % kvHeads === 0) return;
  throw wrong(call, `heads must be a multiple of ${kvHeads} KV heads`, heads);
}

function lengthIs(
  call: Call,
  name: string,
  value: { readonly length: number },
  length: number,
): void {
  if (value.length === length) return;
  throw wrong(call, `${name} must have length ${length}`, value.length);
}

function eachInside(call: Call, name: string, values: Int32Array, end: number): void {
  const i = values.findIndex((value) => value < 0 || value >= end);
  if (i >= 0) throw range(call, `${name}[${i}] must be in 0 to ${end - 1}`, values[i]);
}

function inside(call: Call, name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw range(call, `${name} must be an integer of ${min} to ${max}`, value);
}

function rowsInside(call: Call, qStart: number, tokens: number, kvLength: number): void {
  if (tokens > kvLength) {
    throw range(call, `kv.length must be at least the ${tokens} tokens of q`, kvLength);
  }
  inside(call, "qStart", qStart, 0, kvLength - tokens);
}

function finite(call: Call, name: string, value: number): void {
  if (!Number.isFinite(value)) throw range(call, `${name} must be finite`, value);
}

function epsilon(call: Call, name: string, eps: number): void {
  if (!(eps >= 0 && eps < Infinity)) {
    throw range(call, `${name} must be finite and not negative`, eps);
  }
}

function wrong(call: Call, requirement: string, current: unknown): ShapeError {
  return new ShapeError(message(call, requirement, current));
}

function range(call: Call, requirement: string, current: unknown): RangeError {
  return new RangeError(message(call, requirement, current));
}

function message(call: Call, requirement: string, current: unknown): string {
  return `Cannot ${call.action} as ${requirement}: current value is ${current}`;
}

function shapeText(shape: readonly Dimension[]): string {
  return `[${shape.join(", ")}]`;
}

function sample(values: Int32Array): string {
  return values.length > 8 ? `${values.slice(0, 8).join(", ")}, ...` : values.join(", ");
}
