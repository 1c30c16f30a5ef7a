/** Throws `RangeError` unless `value` is a whole number of at least `least`. */
export function checkCount(action: string, name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(
      `Cannot ${action} as ${name} must be a whole number >= ${least}: current value is ${value}`,
    );
  }
}
