import type { Method } from "../attention/method.ts";
import { methods } from "../attention/methods.ts";

/** Methods that take their options as numbers, truth values and texts. */
const NAMED: Readonly<Record<string, (options: Readonly<Record<string, unknown>>) => Method>> = {
  dense: methods.dense,
  streaming: methods.streaming,
  retrieval: methods.retrieval,
  aShape: methods.aShape,
  triShape: methods.triShape,
  slidingWindow: methods.slidingWindow,
  verticalSlash: methods.verticalSlash,
  blockSparse: methods.blockSparse,
  flexPrefill: methods.flexPrefill,
  xAttention: methods.xAttention,
  adaptive: methods.adaptive,
};

/**
 * Methods of a list such as `dense,streaming:window=1024,retrieval:topK=64:window=256`.
 *
 * @throws {RangeError} for a name or an option that does not exist, or a value that a method refuses
 */
export function methodList(text: string): Method[] {
  return text.split(",").map((part) => {
    const [name = "", ...pairs] = part.trim().split(":");
    const make = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
    if (!make) throw unknown("methods", Object.keys(NAMED), name);
    const options = Object.fromEntries(pairs.map(option));
    const method = make(options);
    const wrong = Object.keys(options).find((key) => !Object.hasOwn(method.options, key));
    if (wrong === undefined) return method;
    throw unknown(`options of ${name}`, Object.keys(method.options), wrong);
  });
}

/** What a list of names does not have. */
export function unknown(what: string, known: readonly string[], found: string): RangeError {
  return new RangeError(
    `Cannot run as ${what} must be of ${known.join(", ")}: current value is ${found}`,
  );
}

function option(pair: string): [string, unknown] {
  const [key = "", value = ""] = pair.split("=");
  if (value === "true" || value === "false") return [key, value === "true"];
  return [key, /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value];
}
