/** What people write as values of options. */

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

/** What a list of names does not have. */
export function unknown(what: string, known: readonly string[], found: string): RangeError {
  return new RangeError(
    `Cannot run as ${what} must be of ${known.join(", ")}: current value is ${found}`,
  );
}

/** A value of a list's entry: a number, a truth value or a text. */
export function option(pair: string): [string, unknown] {
  const [key = "", value = ""] = pair.split("=");
  if (value === "true" || value === "false") return [key, value === "true"];
  return [key, /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value];
}
