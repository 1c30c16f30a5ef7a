import type { Backend } from "../../ffi/backend.ts";
import type { KvIndex } from "./kv_index.ts";

/** The index that scores every key: always right, and the measure of all others. Equal scores go to the lower key. */
export function exactIndex(backend: Backend): KvIndex {
  return {
    id: "exact",
    async search({ q, row, heads, kv, start, end, topK }, control) {
      const found = await backend.topKeys(q, row, heads, kv, start, end, topK, control);
      return { found, scanned: end - start };
    },
  };
}
