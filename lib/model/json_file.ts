/** Untrusted JSON files: bounded in size, failures in the caller's error class. */
import { basename } from "node:path";
import { ModelFormatError } from "../../ffi/errors.ts";
import type { ErrorClass } from "../../ffi/refusal.ts";

/** Options of {@link readJsonFile}. */
export interface JsonFileOptions {
  /** Largest file accepted. @default 16 MiB */
  maxBytes?: number;
  /** What to throw. @default ModelFormatError */
  error?: ErrorClass;
}

/** The parsed contents of `path`. Files that are absent, too large or not JSON throw. */
export async function readJsonFile(path: string, options: JsonFileOptions = {}): Promise<unknown> {
  const { maxBytes = 16 * 2 ** 20, error = ModelFormatError } = options;
  const bytes = await readBounded(path, maxBytes, error);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const size = `${bytes.length} bytes`;
    throw new error(`Cannot read ${basename(path)} as it is not JSON: current value is ${size}`, {
      cause,
    });
  }
}

/** The text of `path`. Files that are absent, too large or not UTF-8 throw. */
export async function readTextFile(path: string, options: JsonFileOptions = {}): Promise<string> {
  const { maxBytes = 16 * 2 ** 20, error = ModelFormatError } = options;
  const bytes = await readBounded(path, maxBytes, error);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const size = `${bytes.length} bytes`;
    throw new error(`Cannot read ${basename(path)} as it is not UTF-8: current value is ${size}`, {
      cause,
    });
  }
}

/** Whether there is something at `path`. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

async function readBounded(
  path: string,
  maxBytes: number,
  error: ErrorClass,
): Promise<Uint8Array<ArrayBuffer>> {
  const { size, isFile } = await statFile(path, error);
  if (!isFile || size > maxBytes) {
    const limit = `a file of at most ${maxBytes} bytes`;
    const found = isFile ? `${size} bytes` : "no file";
    throw new error(
      `Cannot read ${basename(path)} as it must be ${limit}: current value is ${found}`,
    );
  }
  return await Deno.readFile(path);
}

async function statFile(path: string, error: ErrorClass): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory)) {
      throw cause;
    }
    throw new error(
      `Cannot read ${basename(path)} as it does not exist: current value is ${path}`,
      {
        cause,
      },
    );
  }
}
