/** JSON files that methods read: bounded, checked by a schema loaded on use, with errors that name the field. */
import { ModelFormatError } from "../../ffi/errors.ts";
import { fileBytes } from "../../ffi/file_bytes.ts";
import { refusal } from "../../ffi/refusal.ts";
import { replaceFile } from "../../ffi/replace_file.ts";

export { loadZod, parseWith, type Zod } from "../../ffi/schema.ts";

/** The longest text that is shown of what is no JSON. */
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

/** The error for a file that breaks `rule`. */
export function formatError(
  file: string,
  rule: string,
  value: unknown,
  options?: ErrorOptions,
): ModelFormatError {
  return refusal(ModelFormatError, `read ${file}`, rule, value, options);
}
