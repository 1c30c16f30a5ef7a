/** From plans to decode executables: the keys one query sees, as ranges and single keys. */
import type { KeyPlan } from "../../ffi/backend.ts";
import { checkCount } from "./check.ts";
import { checkPlan, type HeadPlan } from "./plan.ts";

/** A half-open interval of keys. */
type Interval = readonly [start: number, end: number];

/** Intervals shorter than this become single keys. */
const SHORTEST_RANGE = 4;

/**
 * Lowers a head's plan for the single query at `position`, which sees keys `0 .. position`.
 *
 * @throws {RangeError} if the position or the plan is not valid
 */
export function lowerRow(plan: HeadPlan, position: number): KeyPlan {
  checkCount("lower", "position", position, 0);
  checkPlan(plan);
  return toKeyPlan(intervalsOf(plan, position));
}

/** Number of keys in a decode executable. */
export function attendedKeys(plan: KeyPlan): number {
  let count = plan.indices.length;
  for (let x = 0; x < plan.ranges.length; x += 2) count += plan.ranges[x + 1]! - plan.ranges[x]!;
  return count;
}

/** The keys of `plan` that `part` does not have, or `null` where `part` has others, too. */
export function withoutKeys(plan: KeyPlan, part: KeyPlan): KeyPlan | null {
  const [all, taken] = [intervalsIn(plan), intervalsIn(part)];
  const common = intersect(all, taken).reduce((sum, [start, end]) => sum + end - start, 0);
  return common < attendedKeys(part) ? null : toKeyPlan(subtract(all, taken));
}

function intervalsIn({ ranges, indices }: KeyPlan): Interval[] {
  const intervals: Interval[] = [];
  let x = 0;
  for (const key of indices) {
    for (; x < ranges.length && ranges[x]! < key; x += 2) {
      intervals.push([ranges[x]!, ranges[x + 1]!]);
    }
    intervals.push([key, key + 1]);
  }
  for (; x < ranges.length; x += 2) intervals.push([ranges[x]!, ranges[x + 1]!]);
  return intervals;
}

function subtract(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  let y = 0;
  for (const [first, end] of a) {
    let start = first;
    while (y < b.length && b[y]![1] <= start) y++;
    for (let x = y; x < b.length && b[x]![0] < end; x++) {
      if (start < b[x]![0]) result.push([start, b[x]![0]]);
      start = b[x]![1];
    }
    if (start < end) result.push([start, end]);
  }
  return result;
}

function intervalsOf(plan: HeadPlan, i: number): Interval[] {
  switch (plan.kind) {
    case "dense":
      return [[0, i + 1]];
    case "streaming":
      return staticSet(plan.sink, plan.window, i);
    case "staticPlusRetrieved": {
      const [first, ...recent] = staticSet(plan.sink, plan.window, i);
      return unite([...(first ? [first] : []), ...singles(plan.retrieved, i), ...recent]);
    }
    case "verticalSlash":
      return unite([...singles(plan.vertical, i), ...singles(plan.slash.map((d) => i - d), i)]);
    case "blockSparse":
      return unite(
        (plan.blocks[Math.floor((i - (plan.from ?? 0)) / plan.block)] ?? [])
          .filter((b) => b * plan.block <= i)
          .map((b): Interval => [b * plan.block, Math.min(i + 1, (b + 1) * plan.block)]),
      );
    case "split":
      return intervalsOf(i < plan.at ? plan.before : plan.after, i);
    case "union":
      return unite(plan.plans.flatMap((part) => intervalsOf(part, i)));
    case "intersect":
      return plan.plans.map((part) => unite(intervalsOf(part, i))).reduce(intersect);
  }
}

function staticSet(sink: number, window: number, i: number): Interval[] {
  return unite([[0, Math.min(sink, i + 1)], [Math.max(0, i + 1 - window), i + 1]]);
}

function singles(keys: readonly number[], i: number): Interval[] {
  return keys.filter((key) => key >= 0 && key <= i).map((key) => [key, key + 1]);
}

function unite(intervals: readonly Interval[]): Interval[] {
  const result: [number, number][] = [];
  for (const [start, end] of rising(intervals)) {
    if (start >= end) continue;
    const last = result.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else result.push([start, end]);
  }
  return result;
}

/** The intervals by their starts. */
function rising(intervals: readonly Interval[]): readonly Interval[] {
  const isRising = intervals.every(([start], x) => x === 0 || intervals[x - 1]![0] <= start);
  return isRising ? intervals : intervals.toSorted((a, b) => a[0] - b[0]);
}

function intersect(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  for (let x = 0, y = 0; x < a.length && y < b.length;) {
    const start = Math.max(a[x]![0], b[y]![0]);
    const end = Math.min(a[x]![1], b[y]![1]);
    if (start < end) result.push([start, end]);
    if (a[x]![1] < b[y]![1]) x++;
    else y++;
  }
  return result;
}

function toKeyPlan(intervals: readonly Interval[]): KeyPlan {
  const ranges: number[] = [];
  const indices: number[] = [];
  for (const [start, end] of intervals) {
    if (end - start >= SHORTEST_RANGE) ranges.push(start, end);
    else for (let key = start; key < end; key++) indices.push(key);
  }
  return { ranges: Int32Array.from(ranges), indices: Int32Array.from(indices) };
}
