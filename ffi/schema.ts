/** zod, loaded on use, with failures that name the field and its value. */
import type { ZodType } from "zod";
import { ModelFormatError } from "./errors.ts";
import { type ErrorClass, refusal } from "./refusal.ts";

/** The module `zod` exports. */
export type Zod = typeof import("zod").z;

/** Loads zod. */
export async function loadZod(): Promise<Zod> {
  return (await import("zod")).z;
}

/** `json` as the schema describes it, or an error about its first wrong field. */
export function parseWith<T>(
  schema: ZodType<T>,
  json: unknown,
  file: string,
  error: ErrorClass = ModelFormatError,
): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const reason = issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
  const field = issue.path.map(String).join(".") || "its content";
  const rule = `${field} is not valid (${reason})`;
  throw refusal(error, `read ${file}`, rule, valueAt(json, issue.path));
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}
