import { readHeadFile } from "../attention/head_file.ts";
import type { Awaitable, Method } from "../attention/method.ts";
import { methods } from "../attention/methods.ts";
import { option, unknown } from "./option_values.ts";

type Options = Readonly<Record<string, unknown>>;

/** Methods that take their options as numbers, truth values and texts. */
const NAMED: Readonly<Record<string, (options: Options) => Awaitable<Method>>> = {
  dense: methods.dense,
  streaming: methods.streaming,
  retrieval: async ({ heads, ...options }) =>
    methods.retrieval({
      ...options,
      ...(heads === undefined ? {} : { heads: await readHeadFile(String(heads)) }),
    }),
  aShape: methods.aShape,
  triShape: methods.triShape,
  slidingWindow: methods.slidingWindow,
  verticalSlash: methods.verticalSlash,
  blockSparse: methods.blockSparse,
  flexPrefill: methods.flexPrefill,
  xAttention: methods.xAttention,
  adaptive: methods.adaptive,
  minference: async ({ file, ...options }) =>
    methods.minference({ ...options, heads: await readHeadFile(String(file)) }),
};
/** Options that are no method's: files. */
const FILES = ["file"];

/**
 * Methods of a list such as `dense,streaming:window=1024,retrieval:topK=64:heads=heads.json,minference:file=heads.json`.
 *
 * @throws {RangeError} for a name or an option that does not exist, or a value that a method refuses
 */
export function methodList(text: string): Promise<Method[]> {
  return Promise.all(text.split(",").map(namedMethod));
}

async function namedMethod(part: string): Promise<Method> {
  const [name = "", ...pairs] = part.trim().split(":");
  const make = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
  if (!make) throw unknown("methods", Object.keys(NAMED), name);
  const options = Object.fromEntries(pairs.map(option));
  const method = await make(options);
  const known = name === "minference"
    ? [...FILES, ...Object.keys(method.options)]
    : Object.keys(method.options);
  const wrong = Object.keys(options).find((key) => !known.includes(key));
  if (wrong === undefined) return method;
  throw unknown(`options of ${name}`, known, wrong);
}
