import type { Tokenizer } from "../model/types.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import type { Phase } from "./forward.ts";
import type { SessionIndexes } from "./session_indexes.ts";
import type { SessionState } from "./session_state.ts";
import type { SessionModel, SessionOptions } from "./session_types.ts";
import type { LayerRecord } from "./step.ts";
import type { TokenLog } from "./token_log.ts";

/** Tokens to read, and the plans they get. */
export interface Part {
  /** Ids of the tokens. */
  readonly ids: Int32Array;
  /** Which plans they get. */
  readonly phase: Phase;
}

/** Where the next token is chosen from. */
export interface NextLogits {
  /** `[vocab]` */
  readonly logits: Float32Array;
  /** What the layers did. */
  readonly records: readonly LayerRecord[];
  /** Whether attention rows were asked for. */
  readonly captured: boolean;
}

/** The tokens of a session, their keys and values, and the text that its steps stream. */
export class HeldTokens {
  /** The tokens, to be changed here only, but for their phases. */
  readonly log: TokenLog;
  /** Keys and values: of all tokens, or of all but those that are being read and the last. */
  readonly cache: PagedCache;
  /** Indexes over the keys. */
  readonly indexes: SessionIndexes;
  /** What `layers()` ended with and no step has used: forgotten when the tokens change. */
  next: NextLogits | null = null;
  readonly #model: Pick<SessionModel, "config" | "tokenizer">;
  readonly #memoryBytes: number;
  #contextTokens: number;
  #stream: ReturnType<Tokenizer["stream"]>;
  #streamStart: number;

  /** Goes on from `start`. */
  constructor(
    model: Pick<SessionModel, "config" | "tokenizer">,
    { memoryBytes }: SessionOptions,
    { cache, indexes, log, contextTokens, streamStart }: SessionState,
  ) {
    this.#model = model;
    this.#memoryBytes = memoryBytes;
    this.cache = cache;
    this.indexes = indexes;
    this.log = log;
    this.#contextTokens = contextTokens;
    this.#stream = model.tokenizer.stream();
    this.#streamStart = streamStart;
    for (const id of log.ids.slice(streamStart)) this.#stream.push(id);
  }

  /** Number of tokens. */
  get length(): number {
    return this.log.length;
  }

  /** Tokens the context was planned for; dynamic RoPE scaling depends on it. */
  get contextTokens(): number {
    return this.#contextTokens;
  }

  /** Place of the first token of the text that steps stream. */
  get streamStart(): number {
    return this.#streamStart;
  }

  /** Ids of a text that follows, or the ids themselves, checked. */
  encode(text: string | Int32Array): Int32Array {
    const { config: { vocab }, tokenizer } = this.#model;
    const ids = typeof text === "string"
      ? tokenizer.encode(text, { bos: this.log.length === 0 })
      : text;
    const wrong = ids.find((id) => id < 0 || id >= vocab);
    if (wrong === undefined) return ids;
    throw new RangeError(`Cannot read ids as each must be < ${vocab}: current value is ${wrong}`);
  }

  /** Throws `BudgetError` when keys and values of `tokens` tokens would not fit. */
  checkFits(tokens: number): void {
    this.cache.checkFits(tokens, this.#memoryBytes);
  }

  /** Appends tokens that are to be read. */
  push(parts: readonly Part[]): void {
    const before = this.log.length;
    for (const { ids, phase } of parts) this.log.push(ids, phase);
    if (this.log.length === before) return;
    this.next = null;
    this.startStream();
    this.#contextTokens ||= this.log.length;
  }

  /** Appends a token that was chosen, and returns the text that became certain with it. */
  append(token: number): string {
    this.log.push([token], "decode");
    this.next = null;
    return this.#stream.push(token);
  }

  /** Forgets tokens from `length` on. With the last key goes what was planned for; it is `contextTokens` again. */
  truncate(length: number, contextTokens: number = this.#contextTokens): void {
    this.log.truncate(length);
    this.cache.truncate(Math.min(length, this.cache.length)); // gives back what was reserved, too
    this.indexes.truncate(this.cache.length);
    if (this.cache.length === 0) this.#contextTokens = contextTokens;
    this.next = null;
    this.startStream();
  }

  /** Takes the last token out of the cache, so that a pass can follow from it. */
  holdBack(): void {
    if (this.log.length === 0) {
      throw new RangeError("Cannot step as the session holds no tokens: prefill a text first");
    }
    if (this.cache.length === this.log.length) this.cache.truncate(this.log.length - 1);
  }

  /** The text that steps stream begins with the next token. */
  startStream(): void {
    this.#stream = this.#model.tokenizer.stream();
    this.#streamStart = this.log.length;
  }

  /** Ends the text that steps stream, and returns what of it was held back. */
  flushStream(): string {
    const rest = this.#stream.flush();
    // Half a character was given up: a fork or a file must not hold it either.
    if (rest !== "") this.startStream();
    return rest;
  }
}
