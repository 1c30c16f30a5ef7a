/** Packs executable plans into the buffers that the C ABI describes at `ll_attend_tiles` and `ll_attend_keys`. */
import type { KeyPlan, TilePlan } from "./backend.ts";
import { BudgetError } from "./errors.ts";

const RECORD_WORDS = 9;
const MAX_WORDS = 2 ** 31 - 1;

/** Key plans of all rows and heads, one after the other. */
export interface PackedKeyPlans {
  /** First pair of each plan, and the end. */
  readonly rangePtr: Int32Array;
  /** Pairs start, end. */
  readonly ranges: Int32Array;
  /** First single key of each plan, and the end. */
  readonly indexPtr: Int32Array;
  /** Single keys. */
  readonly indices: Int32Array;
}

/** Packs one plan per head; a plan that several heads share is packed once. */
export function packTilePlans(plans: readonly TilePlan[]): Int32Array {
  const distinct = [...new Set(plans)];
  const header = 1 + plans.length;
  const first = header + RECORD_WORDS * distinct.length;
  const words = distinct.reduce((sum, plan) => sum + planWords(plan), first);
  if (words > MAX_WORDS) {
    throw new BudgetError(
      `Cannot pack plans as they must have <= ${MAX_WORDS} words: current value is ${words}`,
    );
  }
  const packed = new Int32Array(words);
  const numbers = new Map(distinct.map((plan, number) => [plan, number]));
  packed[0] = distinct.length;
  packed.set(plans.map((plan) => numbers.get(plan)!), 1);
  let next = first;
  for (const [number, plan] of distinct.entries()) {
    next = packRecord(packed, header + RECORD_WORDS * number, next, plan);
  }
  return packed;
}

/** Packs one plan per row and head. */
export function packKeyPlans(plans: readonly KeyPlan[]): PackedKeyPlans {
  const rangePtr = pointers(plans, ({ ranges }) => ranges.length / 2);
  const indexPtr = pointers(plans, ({ indices }) => indices.length);
  const ranges = new Int32Array(2 * rangePtr[plans.length]!);
  const indices = new Int32Array(indexPtr[plans.length]!);
  for (const [i, plan] of plans.entries()) {
    ranges.set(plan.ranges, 2 * rangePtr[i]!);
    indices.set(plan.indices, indexPtr[i]!);
  }
  return { rangePtr, ranges, indexPtr, indices };
}

/** Query-key pairs that tile plans compute, padding included. */
export function tilePlanPairs(plans: readonly TilePlan[]): number {
  let pairs = 0;
  for (const { tileQ, tileK, keyStart, columns } of plans) {
    pairs += tileQ * (tileK * keyStart.length + columns.length);
  }
  return pairs;
}

/** Query-key pairs of one key plan, or of several packed ones. */
export function keyPlanPairs({ ranges, indices }: KeyPlan): number {
  let pairs = indices.length;
  for (let i = 0; i < ranges.length; i += 2) pairs += ranges[i + 1]! - ranges[i]!;
  return pairs;
}

// In the order of the offsets in a record.
function arraysOf(plan: TilePlan): readonly Int32Array[] {
  return [plan.rowPtr, plan.keyStart, plan.kind, plan.colPtr, plan.columns, plan.masks];
}

function planWords(plan: TilePlan): number {
  return arraysOf(plan).reduce((sum, array) => sum + array.length, 0);
}

function packRecord(packed: Int32Array, record: number, start: number, plan: TilePlan): number {
  packed.set([plan.tileQ, plan.tileK, plan.rowPtr.length - 1], record);
  let next = start;
  for (const [i, array] of arraysOf(plan).entries()) {
    packed[record + 3 + i] = next;
    packed.set(array, next);
    next += array.length;
  }
  return next;
}

function pointers(plans: readonly KeyPlan[], size: (plan: KeyPlan) => number): Int32Array {
  const ptr = new Int32Array(plans.length + 1);
  for (const [i, plan] of plans.entries()) ptr[i + 1] = ptr[i]! + size(plan);
  return ptr;
}
