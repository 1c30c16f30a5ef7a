import { methods } from "../attention/methods.ts";
import { freeMemoryBytes } from "./free_memory.ts";
import { checkSeed } from "./seed.ts";
import type { SessionOptions } from "./session_types.ts";

/** `options` checked, with the defaults of {@link SessionOptions}. */
export function sessionOptions(options: Partial<SessionOptions>): SessionOptions {
  const {
    attention = methods.dense(),
    kv = "bf16",
    kvTier = "fast",
    chunkTokens = 512,
    seed = 0,
    memoryBytes = freeMemoryBytes(),
    contextTokens,
  } = options;
  checkPositive("chunkTokens", chunkTokens);
  if (contextTokens !== undefined) checkPositive("contextTokens", contextTokens);
  checkSeed("open a session", seed);
  if (kvTier !== "fast" && kvTier !== "slow") {
    throw new RangeError(
      `Cannot open a session as kvTier must be fast or slow: current value is ${kvTier}`,
    );
  }
  if (!(memoryBytes >= 0)) {
    throw new RangeError(
      `Cannot open a session as memoryBytes must be >= 0: current value is ${memoryBytes}`,
    );
  }
  const checked = { attention, kv, kvTier, chunkTokens, seed, memoryBytes };
  return contextTokens === undefined ? checked : { ...checked, contextTokens };
}

function checkPositive(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RangeError(
    `Cannot open a session as ${name} must be a whole number >= 1: current value is ${value}`,
  );
}
