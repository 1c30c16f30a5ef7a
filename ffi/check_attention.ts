/** Checks of the arguments of the operations that attend to, or look through, the keys of a cache. */
import { kvHeadNumber } from "../kernels/reference/attention.ts";
import type {
  BackendName,
  KeyPlan,
  KvView,
  PartialAttention,
  Tensor,
  TilePlan,
} from "./backend.ts";
import {
  type Call,
  rangeError,
  requireFinite,
  requireGroups,
  requireInside,
  requireLength,
  requireTable,
  requireTensor,
} from "./check_core.ts";
import {
  pagesOfKeyPlan,
  pagesOfTilePlan,
  requirePages,
  requirePagesOfPlans,
  requirePagesOfRange,
} from "./check_pages.ts";
import { checkKeyPlan, checkKeyPlans, checkTilePlans } from "./check_plans.ts";

/** Checks the arguments of `Backend.attendTiles`. */
export function checkAttendTiles(
  backend: BackendName,
  q: Tensor,
  qStart: number,
  scale: number,
  kv: KvView,
  plans: readonly TilePlan[],
  out: PartialAttention,
): void {
  const call = { backend, action: "attend" };
  const { tokens, heads } = attentionShapes(call, q, scale, kv, out);
  requireRows(call, qStart, tokens, kv.length);
  checkTilePlans(call, plans, heads, tokens, kv.length);
  requirePagesOfPlans(call, kv, heads, plans, pagesOfTilePlan);
}

/** Checks the arguments of `Backend.attendKeys`. */
export function checkAttendKeys(
  backend: BackendName,
  q: Tensor,
  scale: number,
  kv: KvView,
  plans: readonly KeyPlan[],
  out: PartialAttention,
): void {
  const call = { backend, action: "attend" };
  const { tokens, heads } = attentionShapes(call, q, scale, kv, out);
  checkKeyPlans(call, plans, tokens * heads, kv.length);
  requirePagesOfPlans(call, kv, heads, plans, pagesOfKeyPlan);
}

/** Checks the arguments of `Backend.merge`. */
export function checkMerge(
  backend: BackendName,
  a: PartialAttention,
  b: PartialAttention,
  into: PartialAttention,
): void {
  const call = { backend, action: "merge" };
  const wanted = a.out.shape.length > 1 ? a.out.shape : ["rows", "dim"];
  const shape = requireTensor(call, "a.out", a.out, wanted);
  requireTensor(call, "b.out", b.out, shape);
  requireTensor(call, "into.out", into.out, shape);
  const rows = shape.slice(0, -1);
  requireTensor(call, "a.lse", a.lse, rows);
  requireTensor(call, "b.lse", b.lse, rows);
  requireTensor(call, "into.lse", into.lse, rows);
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
  requireInside(call, "row", row, 0, tokens - 1);
  requireInside(call, "head", head, 0, heads - 1);
  requireFinite(call, "scale", scale);
  checkKeyPlan(call, "plan", plan, kv.length);
  const kvHead = kvHeadNumber(head, heads, kv.table.kvHeads);
  requirePages(call, kv.table, kvHead, pagesOfKeyPlan(plan, kv.length));
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
): void {
  const call = { backend, action: "pool an attention map" };
  const { tokens, heads } = queryShape(call, q, kv);
  requireRows(call, qStart, tokens, kv.length);
  requireInside(call, "head", head, 0, heads - 1);
  requireFinite(call, "scale", scale);
  requireInside(call, "bins", bins, 1, kv.length);
  requireLength(call, "sum", sum, bins * bins);
  requireLength(call, "max", max, bins * bins);
  const kvHead = kvHeadNumber(head, heads, kv.table.kvHeads);
  requirePagesOfRange(call, kv.table, kvHead, 0, qStart + tokens);
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
): void {
  const call = { backend, action: "search keys" };
  const shape = queryShape(call, q, kv);
  requireInside(call, "row", row, 0, shape.tokens - 1);
  requireInside(call, "start", start, 0, kv.length);
  requireInside(call, "end", end, start, kv.length);
  requireInside(call, "k", k, 1, 2 ** 31 - 1);
  for (const [i, head] of heads.entries()) {
    requireInside(call, `heads[${i}]`, head, 0, shape.heads - 1);
    const kvHead = kvHeadNumber(head, shape.heads, kv.table.kvHeads);
    requirePagesOfRange(call, kv.table, kvHead, start, end);
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
  requireFinite(call, "scale", scale);
  requireTensor(call, "out.out", out.out, q.shape);
  requireTensor(call, "out.lse", out.lse, [tokens, heads]);
  return { tokens, heads };
}

/** Requires queries `[T, heads, dim]` that fit the cache, and gives their sizes. */
export function queryShape(
  call: Call,
  q: Tensor,
  kv: KvView,
): { tokens: number; heads: number } {
  requireTable(call, "kv.table", kv.table);
  requireInside(call, "kv.length", kv.length, 0, 2 ** 31 - 1);
  const shape = ["tokens", "heads", kv.table.spec.dim];
  const [tokens = 0, heads = 0] = requireTensor(call, "q", q, shape);
  requireGroups(call, heads, kv.table.kvHeads);
  return { tokens, heads };
}

/** Requires that rows `qStart ..` are tokens of the cache. */
export function requireRows(
  call: Call,
  qStart: number,
  tokens: number,
  kvLength: number,
): void {
  if (tokens > kvLength) {
    throw rangeError(call, `kv.length must be at least the ${tokens} tokens of q`, kvLength);
  }
  requireInside(call, "qStart", qStart, 0, kvLength - tokens);
}
