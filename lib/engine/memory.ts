import type { Method } from "../attention/method.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import type { ModelConfig } from "../model/types.ts";
import type { SessionIndexes } from "./session_indexes.ts";

/** What a session's keys and values take. */
export interface SessionMemory {
  /** Tokens in the cache. */
  readonly tokens: number;
  /** Bytes of the pages held; pages shared with forks count in each of them. */
  readonly kvBytes: number;
  /** Bytes of those that lie in the fast tier. */
  readonly fastBytes: number;
  /** Bytes of those that lie in the slow tier: 0 where the backend has none. */
  readonly slowBytes: number;
  /** Bytes of those that lie in a file. */
  readonly fileBytes: number;
  /** Bytes of the keys and values that the method needs at hand in every step: what a fast tier would hold. */
  readonly residentBytes: number;
  /**
   * Bytes of indexes over the keys, of queries that are kept for building them, and of the copies of keys and values in the
   * host's memory that they read where a device has those; what forks share counts in each of them.
   */
  readonly indexBytes: number;
}

/** Memory of a session's cache under a method. */
export function sessionMemory(
  cache: PagedCache,
  indexes: SessionIndexes,
  method: Method,
  { layers, heads, kvHeads, windows }: ModelConfig,
): SessionMemory {
  const tokens = cache.length;
  const group = heads / kvHeads;
  let resident = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
      const keys = Array.from(
        { length: group },
        (_, g) => method.residentKeys(layer, kvHead * group + g, tokens),
      );
      resident += Math.min(Math.max(...keys), windows[layer] ?? Infinity);
    }
  }
  const residentBytes = cache.bytesOf(resident) / layers / kvHeads;
  return {
    tokens,
    kvBytes: cache.sizeBytes,
    fastBytes: cache.bytesIn("fast"),
    slowBytes: cache.bytesIn("slow"),
    fileBytes: cache.bytesIn("file"),
    residentBytes,
    indexBytes: indexes.sizeBytes + cache.hostBytes,
  };
}
