/** Checks that the pages which a call reads or writes are entered and open. */
import { kvHeadNumber } from "../kernels/reference/attention.ts";
import {
  type BackendName,
  type KeyPlan,
  type KvView,
  PAGE_TOKENS,
  type PageTable,
  type Tensor,
  type TilePlan,
} from "./backend.ts";
import {
  type Action,
  rangeError,
  requireInside,
  requireLength,
  requireTable,
  requireTensor,
  shapeError,
} from "./check_core.ts";

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
  requireTable(call, "table", table);
  const [tokens = 0] = requireTensor(call, "k", k, ["tokens", table.kvHeads, table.spec.dim]);
  requireTensor(call, "v", v, [tokens, table.kvHeads, table.spec.dim]);
  requireLength(call, "positions", positions, tokens);
  requireInside(call, "start", start, 0, 2 ** 31 - tokens);
  for (let kvHead = 0; kvHead < table.kvHeads; kvHead++) {
    requirePagesOfRange(call, table, kvHead, start, start + tokens);
  }
}

/** Requires that keys and values of int8 pages are finite. */
export function checkFinite(k: Float32Array, v: Float32Array): void {
  const value = k.find((x) => !Number.isFinite(x)) ?? v.find((x) => !Number.isFinite(x));
  if (value === undefined) return;
  throw rangeError({ action: "append" }, "keys and values of int8 pages must be finite", value);
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
  requireTable(call, "table", table);
  requireInside(call, "kvHead", kvHead, 0, table.kvHeads - 1);
  requireInside(call, "start", start, 0, 2 ** 31 - 1);
  requireInside(call, "count", count, 0, 2 ** 31 - 1 - start);
  requirePagesOfRange(call, table, kvHead, start, start + count);
}

/** Requires the pages that the plans read: `plans[i]` is of query head `i % heads`. */
export function requirePagesOfPlans<P extends TilePlan | KeyPlan>(
  call: Action,
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
    const kvHead = kvHeadNumber(i % heads, heads, kv.table.kvHeads);
    requirePages(call, kv.table, kvHead, pages);
  }
}

/** Requires the pages of a KV head that `pages` marks. */
export function requirePages(
  call: Action,
  table: PageTable,
  kvHead: number,
  pages: Uint8Array,
): void {
  for (const [p, used] of pages.entries()) if (used) requirePage(call, table, kvHead, p);
}

/** Requires the pages of tokens `start .. end - 1`. */
export function requirePagesOfRange(
  call: Action,
  table: PageTable,
  kvHead: number,
  start: number,
  end: number,
): void {
  for (let p = Math.floor(start / PAGE_TOKENS); p * PAGE_TOKENS < end; p++) {
    requirePage(call, table, kvHead, p);
  }
}

/** Marks the pages that a tile plan reads. */
export function pagesOfTilePlan(plan: TilePlan, kvLength: number): Uint8Array {
  const pages = new Uint8Array(Math.ceil(kvLength / PAGE_TOKENS));
  for (const start of plan.keyStart) {
    const last = Math.min(start + plan.tileK, kvLength) - 1;
    pages[Math.floor(start / PAGE_TOKENS)] = 1;
    pages[Math.floor(last / PAGE_TOKENS)] = 1;
  }
  for (const key of plan.columns) pages[Math.floor(key / PAGE_TOKENS)] = 1;
  return pages;
}

/** Marks the pages that a key plan reads. */
export function pagesOfKeyPlan({ ranges, indices }: KeyPlan, kvLength: number): Uint8Array {
  const pages = new Uint8Array(Math.ceil(kvLength / PAGE_TOKENS));
  for (let i = 0; i < ranges.length; i += 2) {
    const first = Math.floor((ranges[i] ?? 0) / PAGE_TOKENS);
    pages.fill(1, first, Math.ceil((ranges[i + 1] ?? 0) / PAGE_TOKENS));
  }
  for (const key of indices) pages[Math.floor(key / PAGE_TOKENS)] = 1;
  return pages;
}

function requirePage(call: Action, table: PageTable, kvHead: number, index: number): void {
  if (table.holds(kvHead, index)) return;
  throw shapeError(
    call,
    `the page table must hold page ${index} of KV head ${kvHead}`,
    "no open page",
  );
}

function isComplete({ table, length }: KvView): boolean {
  for (let kvHead = 0; kvHead < table.kvHeads; kvHead++) {
    for (let p = 0; p * PAGE_TOKENS < length; p++) {
      if (!table.holds(kvHead, p)) return false;
    }
  }
  return true;
}
