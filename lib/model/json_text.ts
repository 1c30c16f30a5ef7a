/** What `JSON.parse` does not tell: nesting and repeated keys, found before anything is built from the text. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);

/** The value of JSON in UTF-8, at most `maxDepth` deep and without repeated keys; throws where it is none. */
export function parsePlainJson(bytes: Uint8Array, maxDepth: number): unknown {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  assertPlainJson(text, maxDepth);
  return JSON.parse(text);
}

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws a `SyntaxError` where JSON `text` nests deeper than `maxDepth` or an object repeats a key. */
function assertPlainJson(text: string, maxDepth: number): void {
  const keys: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (OPEN.has(code)) {
      if (keys.push(new Set()) > maxDepth) throw new SyntaxError(`deeper than ${maxDepth}`);
    } else if (CLOSE.has(code)) {
      keys.pop();
    } else if (code === QUOTE) {
      const end = stringEnd(text, at);
      if (isKey(text, end)) addKey(keys.at(-1), text.slice(at, end));
      at = end - 1;
    }
  }
}

function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at + 1;
  }
  throw new SyntaxError("a string does not end");
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at++;
  return text.charCodeAt(at) === COLON;
}

function addKey(keys: Set<string> | undefined, quoted: string): void {
  const key: string = JSON.parse(quoted);
  if (keys?.has(key)) throw new SyntaxError(`key ${quoted.slice(0, 60)} is repeated`);
  keys?.add(key);
}
