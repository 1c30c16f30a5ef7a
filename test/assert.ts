/**
 * The functions of `@std/assert` that the tests use, over `node:assert`, for networks that cannot reach JSR.
 * Same names, same arguments, same meaning; see `test/setup.ts` for when they are used.
 */
import nodeAssert, { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";

export { AssertionError };

// deno-lint-ignore no-explicit-any
type ErrorClass<E> = abstract new (...args: any[]) => E;

/** `value` is truthy. */
export function assert(value: unknown, msg = "Expected a truthy value"): asserts value {
  if (!value) throw new AssertionError({ message: msg, actual: value, expected: true });
}

/** `actual` and `expected` are deeply equal; 0 equals -0, NaN equals NaN. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  nodeAssert.deepStrictEqual(actual, expected, msg);
}

/** `actual` and `expected` are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) fail(msg ?? "Expected values to differ", actual, expected);
}

/** `actual` and `expected` are the same value in the sense of `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) fail(msg ?? "Expected the same value", actual, expected);
}

/** `actual` lies within `tolerance` of `expected` (by default within its 1e-7th part). */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance: number = Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7,
  msg?: string,
): void {
  const delta = Math.abs(expected - actual);
  if (Object.is(actual, expected) || delta <= tolerance) return;
  fail(
    msg ?? `Expected ${actual} to be close to ${expected}: delta ${delta} is above ${tolerance}`,
    actual,
    expected,
  );
}

/** `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) fail(msg ?? "Expected a value", actual, undefined);
}

/** `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) fail(msg ?? `Expected ${actual} > ${expected}`, actual, expected);
}

/** `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) fail(msg ?? `Expected ${actual} >= ${expected}`, actual, expected);
}

/** `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) fail(msg ?? `Expected ${actual} < ${expected}`, actual, expected);
}

/** `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) fail(msg ?? `Expected ${actual} <= ${expected}`, actual, expected);
}

/** `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: ErrorClass<T>,
  msg?: string,
): asserts actual is T {
  if (actual instanceof expectedType) return;
  fail(msg ?? `Expected an instance of ${expectedType.name}: got ${kind(actual)}`, actual);
}

/** `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  fail(msg ?? `Expected ${JSON.stringify(actual)} to contain ${JSON.stringify(expected)}`, actual);
}

/** `actual` matches the pattern. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) {
    fail(msg ?? `Expected ${JSON.stringify(actual)} to match ${expected}`);
  }
}

/** `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** `fn` throws an `errorClass` whose message contains `msgIncludes`; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(fn: () => unknown, ...expected: unknown[]): unknown {
  try {
    fn();
  } catch (error) {
    return checkedError(error, expected);
  }
  throw notThrown("throw", expected);
}

/** The promise `fn` returns rejects; resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** The promise `fn` returns rejects with an `errorClass` whose message contains `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  ...expected: unknown[]
): Promise<unknown> {
  const promise = promised(fn);
  try {
    await promise;
  } catch (error) {
    return checkedError(error, expected);
  }
  throw notThrown("reject", expected);
}

function promised(fn: () => PromiseLike<unknown>): PromiseLike<unknown> {
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError({ message: "Function throws when expected to reject", actual: error });
  }
  if (typeof promise?.then !== "function") fail("Expected function to return a promise", promise);
  return promise;
}

function checkedError(error: unknown, [first, includes, last]: unknown[]): unknown {
  if (typeof first !== "function") return error;
  const suffix = last ? `: ${last}` : "";
  if (!(error instanceof Error)) fail(`A non-Error object was thrown${suffix}`, error);
  if (!(error instanceof first)) {
    fail(`Expected a ${first.name}: got ${kind(error)}: ${error.message}${suffix}`, error);
  }
  if (typeof includes === "string" && !error.message.includes(includes)) {
    fail(`Expected a message with "${includes}": got "${error.message}"${suffix}`, error);
  }
  return error;
}

function notThrown(action: string, [first, , last]: unknown[]): AssertionError {
  const msg = typeof first === "string" ? first : last;
  return new AssertionError({
    message: `Expected function to ${action}${msg ? `: ${msg}` : ""}`,
  });
}

function fail(message: string, actual?: unknown, expected?: unknown): never {
  throw new AssertionError({ message, actual, expected });
}

function kind(value: unknown): string {
  return value === null || value === undefined
    ? String(value)
    : value.constructor?.name ?? "object";
}

/** `isDeepStrictEqual` but for the sign of zero, which `@std/assert` ignores. */
function equal(a: unknown, b: unknown): boolean {
  if (a === b || isDeepStrictEqual(a, b)) return true;
  if (!isContainer(a) || !isContainer(b) || a.constructor !== b.constructor) return false;
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size &&
      [...a].every(([key, value]) => b.has(key) && equal(value, b.get(key)));
  }
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return Array.isArray(value) || value instanceof Map ||
    (ArrayBuffer.isView(value) && !(value instanceof DataView)) ||
    (typeof value === "object" && value?.constructor === Object);
}
