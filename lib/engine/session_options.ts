import type { Method } from "../attention/method.ts";
import { methods } from "../attention/methods.ts";
import { CHUNK_TOKENS, QUERY_SAMPLES } from "./session_defaults.ts";
import { freeMemoryBytes } from "./free_memory.ts";
import { checkSeed } from "./seed.ts";
import type { SessionOptions } from "./session_types.ts";

/** `options` checked, with the defaults of {@link SessionOptions}. */
export function sessionOptions(options: Partial<SessionOptions>): SessionOptions {
  const {
    kvFile,
    fileBytes,
    attention = methods.dense(),
    kv = "bf16",
    kvTier = "fast",
    chunkTokens = CHUNK_TOKENS,
    seed = 0,
    memoryBytes = freeMemoryBytes(),
    contextTokens,
    querySamples = needsQueries(attention) ? QUERY_SAMPLES : 0,
  } = options;
  checkPositive("chunkTokens", chunkTokens);
  if (contextTokens !== undefined) checkPositive("contextTokens", contextTokens);
  checkSeed("open a session", seed);
  checkTier({ kvTier, kvFile, fileBytes });
  checkBytes("memoryBytes", memoryBytes);
  checkBytes("querySamples", querySamples);
  return {
    ...{ attention, kv, kvTier, chunkTokens, seed, memoryBytes, querySamples },
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(kvFile === undefined ? {} : { kvFile }),
    ...(fileBytes === undefined ? {} : { fileBytes }),
  };
}

/** Whether an index of the method is built by queries. */
function needsQueries({ indexes = [] }: Method): boolean {
  return indexes.some(({ index }) => index.kind === "graph" || index.kind === "auto");
}

function checkTier(
  { kvTier, kvFile, fileBytes }: {
    readonly kvTier: SessionOptions["kvTier"];
    readonly kvFile: string | URL | undefined;
    readonly fileBytes: number | undefined;
  },
): void {
  if (!["fast", "slow", "file"].includes(kvTier)) {
    throw new RangeError(
      `Cannot open a session as kvTier must be fast, slow or file: current value is ${kvTier}`,
    );
  }
  if (fileBytes !== undefined) checkBytes("fileBytes", fileBytes);
  if (kvTier === "file" || (kvFile === undefined && fileBytes === undefined)) return;
  const name = kvFile === undefined ? "fileBytes" : "kvFile";
  throw new RangeError(
    `Cannot open a session as ${name} needs kvTier file: current value is ${kvTier}`,
  );
}

function checkBytes(name: string, value: number): void {
  if (value >= 0) return;
  throw new RangeError(
    `Cannot open a session as ${name} must be >= 0: current value is ${value}`,
  );
}

function checkPositive(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RangeError(
    `Cannot open a session as ${name} must be a whole number >= 1: current value is ${value}`,
  );
}
