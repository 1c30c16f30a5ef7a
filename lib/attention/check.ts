/** Throws `RangeError` unless `value` is a whole number of at least `least`. */
export function checkCount(action: string, name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(
      `Cannot ${action} as ${name} must be a whole number >= ${least}: current value is ${value}`,
    );
  }
}

/** Throws `RangeError` unless `value` is a number of 0 .. 1. */
export function checkShare(action: string, name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) {
    throw new RangeError(`Cannot ${action} as ${name} must be 0 .. 1: current value is ${value}`);
  }
}
