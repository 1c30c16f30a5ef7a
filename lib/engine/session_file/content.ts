/** What a file says of the session in it, beside its arrays. */
import type { ZodType } from "zod";
import { SessionFileError } from "../../../ffi/errors.ts";
import { describeMethod } from "../../attention/saved_method.ts";
import { storedDType } from "../../cache/kv_rows.ts";
import { parseWith, type Zod } from "../../../ffi/schema.ts";
import type { ModelConfig } from "../../model/types.ts";
import type { HeldChat } from "../chat.ts";
import type { Phase } from "../forward.ts";
import type { SessionState } from "../session_state.ts";
import type { SessionOptions } from "../session_types.ts";
import type { TokenLog } from "../token_log.ts";
import type { SectionShape } from "./container.ts";
import type { SavedLayerIndex } from "../session_indexes.ts";
import { type IndexContent, indexContent, indexSchema, indexSections } from "./saved_indexes.ts";
import type { Fingerprint } from "./fingerprint.ts";
import {
  type QueriesContent,
  queriesContent,
  queriesSchema,
  querySections,
} from "./saved_queries.ts";
import type { SavedQueries } from "../../retrieval/query_samples.ts";

/** The JSON of a session. */
export interface SessionContent {
  /** The model it was made with. */
  readonly model: Fingerprint;
  /** Number of tokens. */
  readonly tokens: number;
  /** Tokens that have keys and values: all, or all but the last. */
  readonly cached: number;
  /** As in {@link SessionState}. */
  readonly contextTokens: number;
  /** As in {@link SessionState}. */
  readonly chat: HeldChat | null;
  /** As in {@link SessionState}. */
  readonly streamStart: number;
  /** Element type of keys and values. */
  readonly kv: "f32" | "bf16" | "int8";
  /** Tokens that pass through the model together in a prefill. */
  readonly chunkTokens: number;
  /** Seed of the sampler. */
  readonly seed: number;
  /** The attention method; without options where they do not describe it. */
  readonly attention: {
    readonly name: string;
    readonly options: Readonly<Record<string, unknown>> | null;
  };
  /** The indexes over its keys. */
  readonly indexes: readonly IndexContent[];
  /** The queries of its prefills that were kept; `null` for none. */
  readonly queries: QueriesContent | null;
}

const PHASES: readonly Phase[] = ["prefill", "decode"];
const MAX_TOKENS = 2 ** 31 - 1;

/** What is written of a session. */
export function contentOf(
  model: Fingerprint,
  { attention, kv, chunkTokens, seed, querySamples }: SessionOptions,
  { cache, log, contextTokens, chat, streamStart }: SessionState,
  indexes: readonly SavedLayerIndex[],
  queries: readonly SavedQueries[],
): SessionContent {
  const options = describeMethod(attention)?.options ?? null;
  return {
    model,
    tokens: log.length,
    cached: cache.length,
    contextTokens,
    chat,
    streamStart,
    kv,
    chunkTokens,
    seed,
    attention: { name: attention.name, options },
    indexes: indexes.map(indexContent),
    queries: querySamples > 0 ? queriesContent(querySamples, queries) : null,
  };
}

/** The arrays of a session, in their order in the file. */
export function sectionsOf(
  config: ModelConfig,
  { tokens, cached, kv, indexes, queries }: SessionContent,
): SectionShape[] {
  const { layers, kvHeads, dim } = config;
  const sections: SectionShape[] = [
    { name: "ids", dtype: "i32", shape: [tokens] },
    { name: "phases", dtype: "u8", shape: [tokens] },
  ];
  for (let layer = 0; layer < layers; layer++) {
    sections.push(
      { name: kvName(layer), dtype: storedDType(kv), shape: [cached, 2, kvHeads, dim] },
      { name: positionsName(layer), dtype: "f32", shape: [cached] },
    );
  }
  return sections.concat(
    indexes.flatMap(indexSections),
    queries ? querySections(config, queries) : [],
  );
}

/** Section of a layer's keys and values. */
export function kvName(layer: number): string {
  return `kv.${layer}`;
}

/** Section of the positions of a layer's keys. */
export function positionsName(layer: number): string {
  return `positions.${layer}`;
}

/** Section `phases`: a number for the phase of each token. */
export function phaseCodes(log: TokenLog): Uint8Array {
  return Uint8Array.from({ length: log.length }, (_, at) => PHASES.indexOf(log.phaseAt(at)));
}

/** The phase that a number in a file means, if any. */
export function phaseOf(code: number): Phase | undefined {
  return PHASES[code];
}

/** Checks the JSON of a file. */
export function parseContent(z: Zod, json: unknown, file: string): SessionContent {
  return parseWith(contentSchema(z), json, file, SessionFileError);
}

function contentSchema(z: Zod): ZodType<SessionContent> {
  const tokens = z.int().min(0).max(MAX_TOKENS);
  const digest = z.string().regex(/^[0-9a-f]{64}$/);
  const object = z.record(z.string(), z.unknown());
  const content = z.strictObject({
    model: z.strictObject({ config: object, tokenizer: digest, weights: digest }),
    tokens,
    cached: tokens,
    contextTokens: tokens,
    chat: chatSchema(z).nullable(),
    streamStart: tokens,
    kv: z.enum(["f32", "bf16", "int8"]),
    chunkTokens: z.int().min(1),
    seed: z.int(),
    attention: z.strictObject({ name: z.string(), options: object.nullable() }),
    indexes: z.array(indexSchema(z)).max(2 ** 12),
    queries: queriesSchema(z).nullable().default(null), // files of before have none
  });
  return content
    .refine(({ tokens, cached }) => cached === tokens || cached === tokens - 1, {
      path: ["cached"],
      message: "Must be all tokens or all but the last",
    })
    .refine(
      ({ cached, indexes }) => indexes.every(({ start, end }) => start <= end && end <= cached),
      {
        path: ["indexes"],
        message: "Must be over cached tokens",
      },
    )
    .refine(({ tokens, contextTokens }) => tokens === 0 || contextTokens > 0, {
      path: ["contextTokens"],
      message: "Must be above 0",
    })
    .refine(({ tokens, chat }) => (chat?.tokens ?? 0) <= tokens, {
      path: ["chat", "tokens"],
      message: "Must be a place among the tokens",
    })
    .refine(({ tokens, chat }) => (chat?.stopped ?? 0) <= tokens, {
      path: ["chat", "stopped"],
      message: "Must be a place among the tokens",
    })
    .refine(({ tokens, streamStart }) => streamStart <= tokens, {
      path: ["streamStart"],
      message: "Must be a place among the tokens",
    });
}

function chatSchema(z: Zod): ZodType<HeldChat> {
  const tokens = z.int().min(0).max(MAX_TOKENS);
  const stopped = tokens.nullable().default(null);
  const chat = z.strictObject({ text: z.string(), tokens, nowMs: z.number(), stopped });
  return chat.refine(({ tokens, stopped }) => stopped === null || stopped >= tokens, {
    path: ["stopped"],
    message: "Must be a place behind the question",
  });
}
