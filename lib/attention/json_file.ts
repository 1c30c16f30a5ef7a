/** JSON files that methods read: bounded, checked by a schema loaded on use, with errors that name the field. */
import type { ZodType } from "zod";
import { ModelFormatError } from "../../ffi/errors.ts";
import { fileBytes } from "../../ffi/file_bytes.ts";
import { replaceFile } from "../../ffi/replace_file.ts";

/** The module `zod` exports. */
export type Zod = typeof import("zod").z;

/** Loads zod. */
export async function loadZod(): Promise<Zod> {
  return (await import("zod")).z;
}

/** The longest text that is shown of a value. */
const SHOWN = 60;

/**
 * The JSON of a file of at most `maxBytes` bytes.
 *
 * @throws {ModelFormatError} when it is longer, or no JSON
 */
export async function readJson(path: string, maxBytes: number): Promise<unknown> {
  using file = await Deno.open(path);
  const bytes = await fileBytes(file, 0, Math.min((await file.stat()).size, maxBytes + 1));
  if (bytes.length > maxBytes) {
    throw formatError(path, `it must have at most ${maxBytes} bytes`, "more");
  }
  return parseJson(new TextDecoder().decode(bytes), path);
}

/** Puts a text in the place of a file, all at once. */
export async function writeText(path: string, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  await replaceFile(path, undefined, async (file) => {
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  });
}

/** The JSON of a text that stood in `file`. */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw formatError(file, "it must be JSON", text.slice(0, SHOWN), { cause });
  }
}

/** `json` as the schema describes it, or an error about its first wrong field. */
export function checkJson<T>(schema: ZodType<T>, json: unknown, file: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  let value = json;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  const field = path.map(String).join(".") || "its content";
  const reason = message.charAt(0).toLowerCase() + message.slice(1);
  throw formatError(file, `${field} is not valid (${reason})`, value);
}

/** The error for a file that breaks `rule`. */
export function formatError(
  file: string,
  rule: string,
  value: unknown,
  options?: ErrorOptions,
): ModelFormatError {
  const text = value === undefined ? "missing" : JSON.stringify(value) ?? String(value);
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
  return new ModelFormatError(
    `Cannot read ${file} as ${rule}: current value is ${shown.toWellFormed()}`,
    options,
  );
}
