/** Error messages about what a file or caller said: action, rule, and the value, short and on one line. */

/** Class of an error. */
export type ErrorClass<E extends Error = Error> = new (
  message: string,
  options?: ErrorOptions,
) => E;

const LONGEST = 200;

/** What a caught value says. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** An error of class `error`: "Cannot `action` as `rule`: current value is `value`". */
export function refusal<E extends Error>(
  error: ErrorClass<E>,
  action: string,
  rule: string,
  value: unknown,
  options?: ErrorOptions,
): E {
  return new error(`Cannot ${action} as ${rule}: current value is ${showValue(value)}`, options);
}

/** How `value` is named in an error message. */
export function showValue(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return showString(value);
  if (Array.isArray(value)) return showArray(value);
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}

function showString(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
  return JSON.stringify(short.toWellFormed());
}

function showArray(values: readonly unknown[]): string {
  const scalars = values.every((value) => typeof value !== "object" || value === null);
  if (values.length > 8 || !scalars) return `an array of ${values.length}`;
  return `[${values.map(showValue).join(", ")}]`;
}
