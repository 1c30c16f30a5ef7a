import type { ChatMessage } from "../model/chat_template.ts";
import {
  type ChatOptions,
  type ChatTurn,
  chatTurn,
  type HeldAnswer,
  type HeldChat,
} from "./chat.ts";
import type { Generation } from "./generate.ts";
import type { HeldTokens } from "./held_tokens.ts";
import type { Reader } from "./reader.ts";
import type { RunScope } from "./run.ts";
import type { Progress, SessionModel } from "./session_types.ts";

/** What a conversation needs of its session. */
export interface ConversationParts {
  /** Puts messages into words. */
  readonly model: Pick<SessionModel, "config" | "tokenizer">;
  /** The tokens. */
  readonly held: HeldTokens;
  /** Reads what is new. */
  readonly reader: Reader;
}

/** The conversation that the tokens of a session are, if they are one. */
export class Conversation {
  readonly #parts: ConversationParts;
  #chat: HeldChat | null;

  /** Goes on from `chat`. */
  constructor(parts: ConversationParts, chat: HeldChat | null) {
    this.#parts = parts;
    this.#chat = chat;
  }

  /** What the session holds of it. */
  get chat(): HeldChat | null {
    return this.#chat;
  }

  /**
   * Reads what is new of a conversation. After an error the session holds what it held before, but for what a stop text
   * had cut off.
   */
  async read(
    messages: readonly ChatMessage[],
    options: ChatOptions,
    scope: RunScope<Progress>,
  ): Promise<void> {
    const { model, held, reader } = this.#parts;
    this.#checkConversation();
    const { chatTemplate } = model.tokenizer;
    const turn = await chatTurn(chatTemplate, messages, options, this.#chat, this.#answers());
    const { contextTokens } = held;
    const dropped = this.#drop(turn);
    try {
      await reader.read([
        { ids: held.encode(turn.context), phase: "prefill" },
        { ids: held.encode(turn.question), phase: "decode" },
      ], scope);
    } catch (error) {
      this.#restore(turn, dropped, contextTokens);
      throw error;
    }
    this.#chat = { text: turn.text, tokens: held.length, nowMs: turn.nowMs, stopped: null };
  }

  /** Takes in how the answer ended. */
  answered({ text, reason }: Generation): void {
    if (this.#chat === null || reason !== "stop") return;
    this.#chat = { ...this.#chat, stopped: this.#endOf(text) };
  }

  #checkConversation(): void {
    const { length } = this.#parts.held;
    if (this.#chat !== null || length === 0) return;
    throw new RangeError(
      "Cannot chat as the session holds a text that is no conversation, open a new session: current value is " +
        `${length} tokens`,
    );
  }

  /** What was generated after the conversation that is held, and what of it is in front of a stop text. */
  #answers(): HeldAnswer[] {
    const { stopped = null } = this.#chat ?? {};
    const ends = [this.#end(), ...(stopped === null ? [] : [stopped])];
    return ends.map((end) => ({ text: this.#answerTo(end), end }));
  }

  #answerTo(end: number): string {
    const { model, held } = this.#parts;
    const ids = held.log.ids.slice(this.#chat?.tokens ?? 0, end);
    return model.tokenizer.decode(ids, { special: true });
  }

  /** Where the answer ends: the template writes the token that ends it itself. */
  #end(): number {
    const { model, held } = this.#parts;
    const answered = this.#chat !== null && held.length > this.#chat.tokens;
    const ended = answered && model.config.eosIds.includes(held.log.ids.at(-1)!);
    return held.length - (ended ? 1 : 0);
  }

  /** The end of the longest part of the answer that `text` begins with. White space does not count, as in a chat. */
  #endOf(text: string): number {
    const [{ tokens }, { length }] = [this.#chat!, this.#parts.held];
    const wanted = text.trimStart();
    // Where not even the whole answer does, it holds special tokens, which are no part of `text`.
    if (!this.#answerTo(length).trimStart().startsWith(wanted)) return tokens;
    for (let end = length - 1; end > tokens; end--) {
      const part = this.#answerTo(end).trimStart();
      if (part === part.trimEnd() && wanted.startsWith(part)) return end;
    }
    return tokens;
  }

  /** Forgets what stands behind the answer as the messages have it. */
  #drop({ end }: ChatTurn): readonly number[] {
    const { held } = this.#parts;
    const dropped = held.log.ids.slice(end);
    if (dropped.length > 0) held.truncate(end);
    return dropped;
  }

  /** Only the last token of a session needs no keys and values. */
  #restore({ end }: ChatTurn, dropped: readonly number[], contextTokens: number): void {
    const { held } = this.#parts;
    held.truncate(end, contextTokens);
    if (dropped.length === 1) held.log.push(dropped, "decode");
  }
}
