/**
 * What every check of arguments is made of. `ffi/check_*.ts` have one function per operation of `Backend`,
 * taking the backend's name and then the operation's own arguments.
 *
 * A wrong shape, length, dtype, owner or plan is a `ShapeError`, a number out of range a `RangeError`; both name the
 * argument. Checks cost at most one pass over ids and over each distinct plan.
 */
import { BLOCKS } from "../kernels/reference/blocks.ts";
import type { BackendName, BlockType, PageTable, Tensor, WeightDType } from "./backend.ts";
import { ShapeError } from "./errors.ts";

/** The call whose arguments are checked. */
export interface Call {
  /** The backend that runs it, and that must own its tensors. */
  readonly backend: BackendName;
  /** What it does, for messages: "embed". */
  readonly action: string;
}

/** What a message needs of a call. */
export type Action = Pick<Call, "action">;

/** A size that a dimension must have, or the name of one that may have any. */
export type Dimension = number | string;

/** Element types of weight matrices. */
export const WEIGHTS: readonly WeightDType[] = [
  ...["f32", "bf16", "f16"] as const,
  ...Object.keys(BLOCKS) as BlockType[],
];

const F32: readonly WeightDType[] = ["f32"];

/** Requires an open tensor of the call's backend of this shape and one of these dtypes, and returns its shape. */
export function requireTensor(
  call: Call,
  name: string,
  value: Tensor,
  shape: readonly Dimension[],
  dtypes: readonly WeightDType[] = F32,
): readonly number[] {
  if (value.backend !== call.backend) {
    throw shapeError(call, `${name} must be a tensor of backend ${call.backend}`, value.backend);
  }
  if (value.closed) throw shapeError(call, `${name} must be open`, "a closed tensor");
  if (!dtypes.includes(value.dtype)) {
    throw shapeError(call, `${name} must be ${dtypes.join(" or ")}`, value.dtype);
  }
  if (!sameShape(value.shape, shape)) {
    throw shapeError(call, `${name} must have shape ${shapeText(shape)}`, shapeText(value.shape));
  }
  return value.shape;
}

/** Requires an f32 tensor `[size]`, or `null`. */
export function requireOptional(
  call: Call,
  name: string,
  value: Tensor | null,
  size: number,
): void {
  if (value) requireTensor(call, name, value, [size]);
}

/** Requires a page table of the call's backend. */
export function requireTable(call: Call, name: string, { backend }: PageTable): void {
  if (backend === call.backend) return;
  throw shapeError(call, `${name} must be a page table of backend ${call.backend}`, backend);
}

/** Requires that each KV head serves the same number of query heads. */
export function requireGroups(call: Action, heads: number, kvHeads: number): void {
  if (heads % kvHeads === 0) return;
  throw shapeError(call, `heads must be a multiple of ${kvHeads} KV heads`, heads);
}

/** Requires a list of `length` elements. */
export function requireLength(
  call: Action,
  name: string,
  value: { readonly length: number },
  length: number,
): void {
  if (value.length === length) return;
  throw shapeError(call, `${name} must have length ${length}`, value.length);
}

/** Requires an integer of `min` to `max`. */
export function requireInside(
  call: Action,
  name: string,
  value: number,
  min: number,
  max: number,
): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw rangeError(call, `${name} must be an integer of ${min} to ${max}`, value);
}

/** Requires that every value is in `0 .. end - 1`. */
export function requireEachInside(
  call: Action,
  name: string,
  values: Int32Array,
  end: number,
): void {
  const i = values.findIndex((value) => value < 0 || value >= end);
  if (i >= 0) throw rangeError(call, `${name}[${i}] must be in 0 to ${end - 1}`, values[i]);
}

/** Requires a finite number. */
export function requireFinite(call: Action, name: string, value: number): void {
  if (!Number.isFinite(value)) throw rangeError(call, `${name} must be finite`, value);
}

/** Requires the epsilon of a norm. */
export function requireEpsilon(call: Action, name: string, eps: number): void {
  if (!(eps >= 0 && eps < Infinity)) {
    throw rangeError(call, `${name} must be finite and not negative`, eps);
  }
}

/** The error of a wrong shape, length, dtype, owner or plan. */
export function shapeError(call: Action, requirement: string, current: unknown): ShapeError {
  return new ShapeError(message(call, requirement, current));
}

/** The error of a number out of range. */
export function rangeError(call: Action, requirement: string, current: unknown): RangeError {
  return new RangeError(message(call, requirement, current));
}

/** A shape as messages write it. */
export function shapeText(shape: readonly Dimension[]): string {
  return `[${shape.join(", ")}]`;
}

function sameShape(shape: readonly number[], wanted: readonly Dimension[]): boolean {
  return shape.length === wanted.length &&
    wanted.every((size, i) => typeof size === "string" || size === shape[i]);
}

function message({ action }: Action, requirement: string, current: unknown): string {
  return `Cannot ${action} as ${requirement}: current value is ${current}`;
}
