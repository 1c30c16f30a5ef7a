/** Numbers for people. */

/** A share as `12.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Bytes as `12 kB` or `1.23 MB`. */
export function bytes(count: number): string {
  return count >= 1e6 ? `${(count / 1e6).toFixed(2)} MB` : `${(count / 1e3).toFixed(0)} kB`;
}

/** A duration as `45 s`, `12 min` or `3 h 20 min`. */
export function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (ms < 100_000) return `${Math.ceil(ms / 1000)} s`;
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * The number of an option.
 *
 * @throws {RangeError} when it is none
 */
export function number(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new RangeError(`Cannot run as --${option} must be a number: current value is ${text}`);
}

/**
 * The whole number of an option.
 *
 * @throws {RangeError} when it is none, or below `least`
 */
export function wholeNumber(option: string, text: string, least = 0): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(
    `Cannot run as --${option} must be a whole number >= ${least}: current value is ${text}`,
  );
}

/**
 * The whole numbers of an option, divided by commas.
 *
 * @throws {RangeError} when one is none, or below `least`
 */
export function wholeNumbers(option: string, text: string, least = 0): number[] {
  return text.split(",").map((part) => wholeNumber(option, part, least));
}
