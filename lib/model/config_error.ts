import { ModelFormatError } from "../../ffi/errors.ts";
import { refusal } from "../../ffi/refusal.ts";

/** The error for a configuration that breaks `rule`. */
export function configError(rule: string, value: unknown): ModelFormatError {
  return refusal(ModelFormatError, "read config.json", rule, value);
}
