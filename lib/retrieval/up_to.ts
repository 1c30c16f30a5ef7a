import type { KvView } from "../../ffi/backend.ts";

/** Keys and values up to `end`. */
export function upTo({ table }: KvView, end: number): KvView {
  return { table, length: end };
}
