/** Methods as data. */
import { isDescribed } from "./described.ts";
import type { Method } from "./method.ts";
import { methods } from "./methods.ts";

/** A method's name and options. */
export type SavedMethod = Pick<Method, "name" | "options">;

/** `method` as data, or `null` where name and options do not describe it: made by the user, or per head. */
export function describeMethod(method: Method): SavedMethod | null {
  const { name, options } = method;
  return isDescribed(method) ? { name, options } : null;
}

/**
 * The method that `saved` describes.
 *
 * @throws {RangeError} when there is none, or an option is unknown or out of range
 */
export function rebuildMethod({ name, options }: SavedMethod): Method {
  const builders: Readonly<Record<string, (options: never) => Method>> = { ...methods };
  const method = Object.hasOwn(builders, name) ? builders[name]!(options as never) : undefined;
  if (method === undefined || !isDescribed(method)) {
    throw new RangeError(
      `Cannot make a method as its name must be known: current value is ${name}`,
    );
  }
  const [wanted, found] = [JSON.stringify(method.options), JSON.stringify(options)];
  if (wanted === found) return method;
  throw new RangeError(
    `Cannot make method ${name} as its options must be ${wanted}: current value is ${found}`,
  );
}
