/** Perplexity of the end of a text by attention method, beside dense attention. */
import { dense } from "../attention/dense.ts";
import type { Method } from "../attention/method.ts";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { CoveredModel } from "./probed_texts.ts";

/** Options of {@link perplexity}. */
export interface PerplexityOptions {
  /** What is read, or its token ids: the first tokens of it, as many as each length says. */
  readonly text: string | Int32Array;
  /** Tokens that are read, a BOS token that the model asks included; each length is read anew. */
  readonly lengths: readonly number[];
  /** Methods to compare with dense attention; each governs the prefill. */
  readonly methods: readonly Method[];
  /**
   * Tokens at the end of each length that are scored.
   * @default 4096, or half of the length where that is less
   */
  readonly last?: number;
  /**
   * Tokens that are planned together.
   * @default 2048
   */
  readonly chunkTokens?: number;
  /**
   * Element type of keys and values.
   * @default "bf16"
   */
  readonly kv?: "f32" | "bf16" | "int8";
  /** Called after each chunk, with the part of all tokens that is done, 0 to 1. */
  readonly onProgress?: (share: number, what: string) => void;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** What a method makes of a text of one length. */
export interface PerplexityRow {
  /** Tokens that were read. */
  readonly tokens: number;
  /** Tokens at their end that were scored. */
  readonly scoredTokens: number;
  /** Name of the method. */
  readonly method: string;
  /** Its options, as JSON. */
  readonly methodOptions: string;
  /** `exp(-mean)` of the natural log-probabilities of the scored tokens, each given all before it. */
  readonly perplexity: number;
  /** Over that of dense attention; below 1: the method is the better one. */
  readonly ratio: number;
}

const SCORED = 4096;

/**
 * Reads the text by each method and yields the perplexity of its last tokens: for every length a row of dense attention and one
 * for each method. All tokens, the scored ones too, get the method's prefill plans, chunk by chunk, as in a prefill of
 * the whole text.
 *
 * @throws {RangeError} when an option is out of range, the text is too short, or a method does not govern the prefill
 * @throws {BudgetError} when keys and values would not fit
 */
export async function* perplexity(
  model: CoveredModel,
  options: PerplexityOptions,
): AsyncGenerator<PerplexityRow, void> {
  const { lengths } = options;
  const ids = checkedIds(model, options);
  const compared = [dense(), ...options.methods.filter(({ name }) => name !== "dense")];
  const advance = progressOf(lengths, compared.length, options.onProgress);
  for (const tokens of lengths) {
    let ofDense: number | undefined;
    for (const method of compared) {
      const what = `${method.name}, ${tokens} tokens`;
      const reading = { method, onChunk: (count: number) => advance(count, what) };
      const found = await endPerplexity(model, ids.subarray(0, tokens), reading, options);
      ofDense ??= found;
      yield {
        ...{ tokens, scoredTokens: scoredOf(tokens, options), method: method.name },
        ...{ methodOptions: JSON.stringify(method.options), perplexity: found },
        ratio: found / ofDense,
      };
    }
  }
}

/** How a text is read. */
interface Reading {
  readonly method: Method;
  /** Called with the tokens of each chunk that was read. */
  readonly onChunk: (tokens: number) => void;
}

async function endPerplexity(
  model: CoveredModel,
  ids: Int32Array,
  { method, onChunk }: Reading,
  options: PerplexityOptions,
): Promise<number> {
  const { kv = "bf16", chunkTokens = CHUNK_TOKENS, signal } = options;
  const last = scoredOf(ids.length, options);
  const session = model.session({ attention: method, kv, chunkTokens });
  try {
    session.hooks.add(
      { at: "output", layers: [model.config.layers - 1] },
      ({ rows }) => onChunk(rows.count),
    );
    const { total } = await session.score(ids, { last, ...(signal ? { signal } : {}) });
    return Math.exp(-total / last);
  } finally {
    session.close();
  }
}

function scoredOf(tokens: number, { last }: PerplexityOptions): number {
  return last ?? Math.min(SCORED, Math.floor(tokens / 2));
}

/** Adds up tokens that are done. */
function progressOf(
  lengths: readonly number[],
  methods: number,
  onProgress: PerplexityOptions["onProgress"],
): (tokens: number, what: string) => void {
  // The last token of a text is scored, not read.
  const total = lengths.reduce((sum, tokens) => sum + tokens - 1, 0) * methods;
  let done = 0;
  return (tokens, what) => onProgress?.((done += tokens) / total, what);
}

const ACTION = "Cannot measure perplexity";

function checkedIds({ tokenizer }: CoveredModel, options: PerplexityOptions): Int32Array {
  const { text, lengths, methods, chunkTokens = CHUNK_TOKENS } = options;
  for (const [name, { length }] of Object.entries({ lengths, methods })) {
    if (length === 0) throw wrong(`${name} must be at least one`, 0);
  }
  if (!isWithin(chunkTokens, 1)) {
    throw wrong("chunkTokens must be a whole number >= 1", chunkTokens);
  }
  for (const length of lengths) checkLength(length, options);
  const other = methods.find(({ name, governsPrefill }) => name !== "dense" && !governsPrefill);
  if (other) throw wrong("each method must govern the prefill", other.name);
  const ids = typeof text === "string" ? tokenizer.encode(text, { bos: true }) : text;
  const longest = Math.max(...lengths);
  if (ids.length < longest) throw wrong(`the text must have ${longest} tokens`, ids.length);
  return ids;
}

function checkLength(length: number, options: PerplexityOptions): void {
  if (!isWithin(length, 2)) throw wrong("a length must be a whole number >= 2", length);
  const last = scoredOf(length, options);
  if (isWithin(last, 1, length - 1)) return;
  throw wrong(`last must be a whole number of 1 .. ${length - 1} for a length of ${length}`, last);
}

function isWithin(value: number, least: number, most = Infinity): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

function wrong(rule: string, value: number | string): RangeError {
  return new RangeError(`${ACTION} as ${rule}: current value is ${value}`);
}
