import type { Method } from "./method.ts";

// A user's method may bear any name and options, so that these alone prove nothing.
const known = new WeakSet<Method>();

/** Notes that name and options say everything about `method`: the entry of `methods` of that name makes it again. */
export function described(method: Method): Method {
  known.add(method);
  return method;
}

/** Whether name and options say everything about `method`. */
export function isDescribed(method: Method): boolean {
  return known.has(method);
}
