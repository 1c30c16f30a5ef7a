import type { PlanValue } from "./plan_value.ts";

/** A half-open interval of keys. */
type Span = readonly [start: number, end: number];

/** Place, after all others, of the distance 0, which is always seen. */
const OWN = -1;
/** Rows of a row tile, keys that a diagonal touches there, and keys of a tile around them. */
const TILE = 64;
/** Keys of a block. */
const BLOCK = 32;

/**
 * Sets to 1 the keys `0 .. query` that a plan holds for a query, and nothing else. What lies around diagonals counts where they
 * are the whole plan: parts of others are exact.
 *
 * @param first query that the plan's rows begin with: tiles are counted from there
 * @param keys one byte a key, at least `query + 1`
 */
export function markKept(plan: PlanValue, query: number, first: number, keys: Uint8Array): void {
  if (plan.kind === "verticalSlash" && plan.cover) {
    const end = query - (query - first) % TILE + TILE;
    const around = plan.cover === "tiles" ? tilesAround : blocksAround;
    markColumns(plan.vertical, query, keys);
    return markSpans(around(plan.slash, end), query, keys);
  }
  markExact(plan, query, keys);
}

function markExact(plan: PlanValue, query: number, keys: Uint8Array): void {
  if (plan.kind === "split") {
    return markExact(query < plan.at ? plan.before : plan.after, query, keys);
  }
  if (plan.kind === "union") {
    for (const part of plan.plans) markExact(part, query, keys);
    return;
  }
  if (plan.kind === "intersect") return markCommon(plan.plans, query, keys);
  markSpans(spansOf(plan, query), query, keys);
}

function markColumns(columns: readonly number[], query: number, keys: Uint8Array): void {
  for (const key of columns) if (key <= query) keys[key] = 1;
}

function markSpans(spans: readonly Span[], query: number, keys: Uint8Array): void {
  for (const [start, end] of spans) {
    keys.fill(1, Math.max(0, start), Math.max(0, Math.min(end, query + 1)));
  }
}

function markCommon(plans: readonly PlanValue[], query: number, keys: Uint8Array): void {
  const held = new Uint8Array(query + 1);
  for (const plan of plans) {
    const own = new Uint8Array(query + 1);
    markExact(plan, query, own);
    own.forEach((isHeld, key) => held[key]! += isHeld);
  }
  held.forEach((count, key) => {
    if (count === plans.length) keys[key] = 1;
  });
}

type Simple = Exclude<PlanValue, { readonly kind: "split" | "union" | "intersect" }>;

function spansOf(plan: Simple, query: number): Span[] {
  switch (plan.kind) {
    case "dense":
      return [[0, query + 1]];
    case "streaming":
      return staticSet(plan, query);
    case "staticPlusRetrieved":
      return [...staticSet(plan, query), ...plan.retrieved.map(single)];
    case "verticalSlash":
      return [...plan.vertical.map(single), ...plan.slash.map((d) => single(query - d))];
    case "blockSparse":
      return (plan.blocks[Math.floor((query - (plan.from ?? 0)) / plan.block)] ?? [])
        .map((block) => [block * plan.block, (block + 1) * plan.block]);
    default:
      throw new RangeError(
        `Cannot draw the plan as its kind is unknown: current value is ${
          (plan as { kind: string }).kind
        }`,
      );
  }
}

function staticSet(
  { sink, window }: { readonly sink: number; readonly window: number },
  query: number,
): Span[] {
  return [[0, sink], [query + 1 - window, query + 1]];
}

function single(key: number): Span {
  return [key, key + 1];
}

/**
 * MInference's conversion: of the rows that end before `end`, the tile that each diagonal touches; tiles that touch grow
 * together by whole tiles.
 */
function tilesAround(slash: readonly number[], end: number): Span[] {
  const spans: [start: number, end: number][] = [];
  for (let i = slash.length - 1; i >= OWN; i--) {
    const distance = i === OWN ? 0 : slash[i]!;
    if (distance >= end) continue;
    const at = Math.max(end - distance, TILE);
    const last = spans.at(-1);
    if (!last || at > last[1] + TILE) spans.push([at - TILE, at]);
    else if (at > last[1]) last[1] += TILE;
  }
  return spans;
}

/** Of the rows that end before `end`, the blocks that hold the keys of each diagonal. */
function blocksAround(slash: readonly number[], end: number): Span[] {
  return [0, ...slash].filter((distance) => distance < end).map((distance) => [
    Math.floor(Math.max(0, end - TILE - distance) / BLOCK) * BLOCK,
    Math.ceil((end - distance) / BLOCK) * BLOCK,
  ]);
}
