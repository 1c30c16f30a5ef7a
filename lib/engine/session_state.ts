import { PagedCache } from "../cache/paged_cache.ts";
import type { HeldChat } from "./chat.ts";
import { openKvFile } from "./kv_file.ts";
import { SessionIndexes } from "./session_indexes.ts";
import type { SessionModel, SessionOptions } from "./session_types.ts";
import { TokenLog } from "./token_log.ts";

/** What a session holds beside its model and options: what a fork takes over and a file keeps. */
export interface SessionState {
  /** Keys and values: of all tokens, or of all but the last. */
  readonly cache: PagedCache;
  /** Indexes over its keys. */
  readonly indexes: SessionIndexes;
  /** The tokens. */
  readonly log: TokenLog;
  /** Tokens the context was planned for; dynamic RoPE scaling depends on it. */
  readonly contextTokens: number;
  /** The conversation that the tokens are, if they are one. */
  readonly chat: HeldChat | null;
  /** Place of the first token of the text that steps stream. */
  readonly streamStart: number;
}

/** The state of a session without tokens. */
export function emptyState(
  { backend, config }: SessionModel,
  options: SessionOptions,
): SessionState {
  const { kv, kvTier, contextTokens = 0 } = options;
  const { layers, kvHeads, dim } = config;
  const file = openKvFile(backend, { dim, dtype: kv }, options);
  const tier = kvTier === "slow" ? "slow" : "fast";
  const cache = new PagedCache(backend, { layers, kvHeads, dim, dtype: kv, tier }, file);
  const indexes = new SessionIndexes({ backend, config, samples: options.querySamples });
  return { cache, indexes, log: new TokenLog(), contextTokens, chat: null, streamStart: 0 };
}
