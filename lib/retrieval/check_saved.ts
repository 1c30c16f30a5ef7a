/** Checks of indexes that come out of files: what native code follows must lie where it says. */
import type { SavedIndex } from "./kv_index.ts";

/** Throws `RangeError` unless each value is of `0 .. end-1`, or `none`. */
export function checkPlaces(
  name: string,
  values: Int32Array | Uint32Array,
  end: number,
  none?: number,
): void {
  const wrong = values.find((value) => value !== none && !(value >= 0 && value < end));
  if (wrong !== undefined) throw damaged(`${name} must be in 0 to ${end - 1}`, wrong);
}

/** Throws `RangeError` unless an array is there, of this type, and has a length that `fits`. */
export function savedArray<A extends object>(
  { arrays }: Pick<SavedIndex, "arrays">,
  name: string,
  type: new (buffer: ArrayBuffer) => A,
  fits: (length: number) => boolean,
): A {
  const found: object | undefined = arrays[name];
  if (found instanceof type && fits((found as unknown as { length: number }).length)) return found;
  const current = found === undefined ? "nothing" : `${found.constructor.name} of other length`;
  throw damaged(`${name} must be ${type.name} and fit its keys`, current);
}

/** The error of a saved index that cannot be right. */
export function damaged(requirement: string, current: unknown): RangeError {
  return new RangeError(`Cannot load an index as ${requirement}: current value is ${current}`);
}
