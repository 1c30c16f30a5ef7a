/** Checks of the arguments of the operations that estimate attention. */
import { kvHeadNumber } from "../kernels/reference/attention.ts";
import type { BackendName, KeyBounds, KvView, PooledBlocks, Tensor } from "./backend.ts";
import { queryShape, requireRows } from "./check_attention.ts";
import {
  type Call,
  rangeError,
  requireFinite,
  requireGroups,
  requireInside,
  requireTable,
  requireTensor,
} from "./check_core.ts";
import { requirePagesOfRange } from "./check_pages.ts";

const MAX_TOKENS = 2 ** 31 - 1;

/** Checks the arguments of `Backend.verticalSlash`. */
export function checkVerticalSlash(
  backend: BackendName,
  q: Tensor,
  qStart: number,
  heads: readonly number[],
  scale: number,
  kv: KvView,
): void {
  requireCausalRows({ backend, action: "sum columns and diagonals" }, q, qStart, heads, scale, kv);
}

/** Checks the arguments of `Backend.poolQueries`. */
export function checkPoolQueries(
  backend: BackendName,
  q: Tensor,
  block: number,
  out: Tensor,
): void {
  const call = { backend, action: "pool queries" };
  const [tokens = 0, heads = 0, dim = 0] = requireTensor(call, "q", q, ["tokens", "heads", "dim"]);
  requireInside(call, "block", block, 1, MAX_TOKENS);
  requireTensor(call, "out", out, [Math.ceil(tokens / block), heads, dim]);
}

/** Checks the arguments of `Backend.poolKeys`. */
export function checkPoolKeys(
  backend: BackendName,
  kv: KvView,
  start: number,
  block: number,
  out: Tensor,
): void {
  const call = { backend, action: "pool keys" };
  requireTensor(call, "out", out, blockShape(call, kv, start, block));
}

/** Checks the arguments of `Backend.blockScores`. */
export function checkBlockScores(
  backend: BackendName,
  { q, k, qStart, block }: PooledBlocks,
  heads: readonly number[],
  scale: number,
): void {
  const call = { backend, action: "score blocks" };
  const shape = requireTensor(call, "q", q, ["blocks", "heads", "dim"]);
  const [, queryHeads = 0, dim = 0] = shape;
  const [, kvHeads = 0] = requireTensor(call, "k", k, ["blocks", "kvHeads", dim]);
  requireGroups(call, queryHeads, kvHeads);
  requireHeads(call, heads, queryHeads);
  requireFinite(call, "scale", scale);
  requireInside(call, "qStart", qStart, 0, MAX_TOKENS);
  requireInside(call, "block", block, 1, MAX_TOKENS);
}

/** Checks the arguments of `Backend.antidiagonalScores`. */
export function checkAntidiagonalScores(
  backend: BackendName,
  q: Tensor,
  qStart: number,
  heads: readonly number[],
  scale: number,
  kv: KvView,
  stride: number,
  block: number,
): void {
  const call = { backend, action: "sum antidiagonals" };
  requireCausalRows(call, q, qStart, heads, scale, kv);
  requireInside(call, "stride", stride, 1, MAX_TOKENS);
  requireInside(call, "block", block, 1, MAX_TOKENS);
  if (block % stride === 0) return;
  throw rangeError(call, `block must be a multiple of stride ${stride}`, block);
}

/** Checks the arguments of `Backend.keyBounds`. */
export function checkKeyBounds(
  backend: BackendName,
  kv: KvView,
  start: number,
  block: number,
  out: KeyBounds,
): void {
  const call = { backend, action: "bound keys" };
  const shape = blockShape(call, kv, start, block);
  requireTensor(call, "out.min", out.min, shape);
  requireTensor(call, "out.max", out.max, shape);
}

/** Checks the arguments of `Backend.boundScores`. */
export function checkBoundScores(
  backend: BackendName,
  q: Tensor,
  row: number,
  heads: readonly number[],
  bounds: KeyBounds,
): void {
  const call = { backend, action: "bound scores" };
  const shape = requireTensor(call, "q", q, ["rows", "heads", "dim"]);
  const [rows = 0, queryHeads = 0, dim = 0] = shape;
  const wanted = ["blocks", "kvHeads", dim];
  const [blocks = 0, kvHeads = 0] = requireTensor(call, "bounds.min", bounds.min, wanted);
  requireTensor(call, "bounds.max", bounds.max, [blocks, kvHeads, dim]);
  requireGroups(call, queryHeads, kvHeads);
  requireInside(call, "row", row, 0, rows - 1);
  requireHeads(call, heads, queryHeads);
}

function requireCausalRows(
  call: Call,
  q: Tensor,
  qStart: number,
  heads: readonly number[],
  scale: number,
  kv: KvView,
): void {
  const shape = queryShape(call, q, kv);
  requireRows(call, qStart, shape.tokens, kv.length);
  requireFinite(call, "scale", scale);
  requireHeads(call, heads, shape.heads);
  const kvHeads = heads.map((head) => kvHeadNumber(head, shape.heads, kv.table.kvHeads));
  for (const kvHead of new Set(kvHeads)) {
    requirePagesOfRange(call, kv.table, kvHead, 0, qStart + shape.tokens);
  }
}

function requireHeads(call: Call, heads: readonly number[], count: number): void {
  for (const [i, head] of heads.entries()) {
    requireInside(call, `heads[${i}]`, head, 0, count - 1);
  }
}

/** Checks the keys from `start` on, and gives the shape of one vector per block of them. */
function blockShape(call: Call, kv: KvView, start: number, block: number): number[] {
  const { kvHeads, spec: { dim } } = kv.table;
  requireTable(call, "kv.table", kv.table);
  requireInside(call, "kv.length", kv.length, 1, MAX_TOKENS);
  requireInside(call, "start", start, 0, kv.length - 1);
  requireInside(call, "block", block, 1, MAX_TOKENS);
  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    requirePagesOfRange(call, kv.table, kvHead, start, kv.length);
  }
  return [Math.ceil((kv.length - start) / block), kvHeads, dim];
}
