/** Values of a template as Python has them, where `@huggingface/jinja` has them otherwise. */
import type { Environment } from "@huggingface/jinja";
import { showValue } from "../../ffi/refusal.ts";

/** A value while a template runs. */
export type Value = ReturnType<Environment["lookupVariable"]>;

/** Jinja's sandbox has the same limit. */
const LONGEST_RANGE = 100_000;

/** Python's `range`, of at most 100,000 numbers. */
export function boundedRange(first: number, stop?: number, step = 1): number[] {
  const [start, end] = stop === undefined ? [0, first] : [first, stop];
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (!(count <= LONGEST_RANGE)) {
    throw new RangeError(`range() must have at most ${LONGEST_RANGE} numbers: it has ${count}`);
  }
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** Python's white space, which is not that of JavaScript. */
const WHITE_SPACE =
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006" +
  "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

/**
 * Python's `strip`, `lstrip` or `rstrip` of a text: takes `characters` away, white space where there are none.
 *
 * @throws {TypeError} when it is of no text
 */
export function strip(method: string, text: unknown, characters: unknown = null): string {
  if (typeof text !== "string" || (characters !== null && typeof characters !== "string")) {
    throw new TypeError(`${method}() must be of a text: it is of ${showValue(text)}`);
  }
  const removed = new Set(characters ?? WHITE_SPACE);
  const letters = Array.from(text);
  let [start, end] = [0, letters.length];
  if (method !== "rstrip") { while (start < end && removed.has(letters[start]!)) start++; }
  if (method !== "lstrip") { while (start < end && removed.has(letters[end - 1]!)) end--; }
  return letters.slice(start, end).join("");
}

/** A list with `str()` of each of its items, `Text` being the class of texts; any other value as it is. */
export function textsOf(value: Value, Text: new (text: string) => Value): Value {
  const content: unknown = value.value;
  if (!Array.isArray(content)) return value;
  const texts = content.map((item) => new Text(textOf(item)));
  return Reflect.construct(value.constructor as new () => Value, [texts]);
}

/** What `str()` makes of a value; `repr()` where it stands in a list or dictionary. */
export function textOf(value: Value, inside = false): string {
  const { type } = value;
  const content: unknown = value.value;
  if (type === "UndefinedValue") return "";
  if (type === "NullValue") return "None";
  if (typeof content === "boolean") return content ? "True" : "False";
  if (typeof content === "string") return inside ? quoted(content) : content;
  if (Array.isArray(content)) {
    const items = content.map((item) => textOf(item, true)).join(", ");
    return type === "TupleValue" ? `(${items})` : `[${items}]`;
  }
  if (content instanceof Map) {
    const items = [...content].map(([key, item]) => `${quoted(key)}: ${textOf(item, true)}`);
    return `{${items.join(", ")}}`;
  }
  return value.toString();
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // deno-lint-ignore no-control-regex
  const escaped = text.replace(/[\\'"\x00-\x1f\x7f-\xa0\xad]/g, (letter) => {
    if (letter === "'" || letter === '"') return letter === quote ? `\\${letter}` : letter;
    return ESCAPES.get(letter) ?? `\\x${letter.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return quote + escaped + quote;
}
