import { kvRowBytes } from "../../cache/kv_rows.ts";
import type { CacheShape } from "../../cache/paged_cache.ts";

/** Bytes of a layer that are in JavaScript's memory at once. */
const BLOCK_BYTES = 2 ** 22;

/** Tokens that are copied at once. */
export function blockTokens(shape: CacheShape): number {
  return Math.max(1, Math.floor(BLOCK_BYTES / kvRowBytes(shape)));
}

/** Cuts `tokens` tokens into blocks. */
export function* blocks(
  tokens: number,
  shape: CacheShape,
): Generator<{ start: number; count: number }> {
  const most = blockTokens(shape);
  for (let start = 0; start < tokens; start += most) {
    yield { start, count: Math.min(most, tokens - start) };
  }
}
