/** A conversation through the model's chat template: what of it is new to a session, and where its question begins. */
import { TokenizerError } from "../../ffi/errors.ts";
import type {
  ChatMessage,
  ChatTemplate,
  ChatTemplateOptions,
  RenderedChat,
} from "../model/chat_template.ts";
import { refusal, showValue } from "../../ffi/refusal.ts";
import type { GenerateOptions } from "./generate.ts";

/** Options of a chat. */
export interface ChatOptions
  extends GenerateOptions, Omit<ChatTemplateOptions, "addGenerationPrompt"> {
  /**
   * The end of the last user message that is the question, where that message also holds the text it is about: the
   * method's decode plans begin with it, and what stands before it is prefilled.
   * @default the whole message
   */
  readonly question?: string;
}

/** What a session holds of a conversation. */
export interface HeldChat {
  /** All messages as the last chat rendered them, up to the answer. */
  readonly text: string;
  /** Tokens of the session that are this text; the answer stands behind them. */
  readonly tokens: number;
  /** The time that the template was told, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Tokens of the session in front of what a stop text cut off the answer; `null` where none did. */
  readonly stopped: number | null;
}

/** An answer as messages may hold it. */
export interface HeldAnswer {
  /** Its text. */
  readonly text: string;
  /** Tokens of the session up to its end. */
  readonly end: number;
}

/** What a chat adds to a session. */
export interface ChatTurn {
  /** Tokens of the session that the messages go on from. */
  readonly end: number;
  /** All messages, rendered. */
  readonly text: string;
  /** New tokens before the question. */
  readonly context: Int32Array;
  /** The question, and what makes the model answer. */
  readonly question: Int32Array;
  /** The time that the template was told, in milliseconds since 1970. */
  readonly nowMs: number;
}

/**
 * Renders `messages` and finds what is new after `held` and that one of its `answers` which comes first among those
 * that the messages hold.
 *
 * The question begins where the text of the messages before the last user message ends, if that is how the whole text
 * begins; else with what the template makes of that message's content; and where it makes nothing of it, with all that
 * is new.
 *
 * @throws {TokenizerError} when the template is missing or refuses the messages
 * @throws {RangeError} when they do not continue what is held, or `question` is not the end of the last user message
 */
export async function chatTurn(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatOptions,
  held: HeldChat | null,
  answers: readonly HeldAnswer[],
): Promise<ChatTurn> {
  const nowMs = options.now?.getTime() ?? held?.nowMs ?? Date.now();
  const fixed = { ...options, now: new Date(nowMs) };
  const chat = await template.render(messages, { ...fixed, addGenerationPrompt: true });
  const { start, end } = held === null ? NOTHING : endOfHeld(chat.text, held.text, answers);
  const split = Math.max(start, await questionStart(template, messages, fixed, chat.text));
  const ids = idsBetween(chat, start, chat.text.length);
  // A token that reaches over the split belongs to the question.
  const context = sharedLength(ids, idsBetween(chat, start, split));
  const { text } = chat;
  return { end, text, context: ids.subarray(0, context), question: ids.subarray(context), nowMs };
}

/** Where the new part of a text begins, and how many tokens of the session are in front of it. */
interface Join {
  readonly start: number;
  readonly end: number;
}

const NOTHING: Join = { start: 0, end: 0 };

/** White space around an answer does not count: templates trim it. */
function endOfHeld(text: string, prompt: string, answers: readonly HeldAnswer[]): Join {
  const start = prompt.trimEnd();
  const rest = text.slice(start.length);
  const first = rest.length - rest.trimStart().length;
  const held = answers.map((answer) => ({ said: answer.text.trim(), end: answer.end }));
  const found = text.startsWith(start) && held.find(({ said }) => rest.startsWith(said, first));
  if (found) return { start: start.length + first + found.said.length, end: found.end };
  const [{ said } = { said: "" }] = held;
  const at = sharedLength(text, start + rest.slice(0, first) + said);
  throw refusal(RangeError, "chat", ruleAfter(said), text.slice(at, at + 80));
}

function ruleAfter(answer: string): string {
  const rule = "the messages must continue what the session holds";
  if (answer === "") return `${rule}, open a new session for others`;
  return `${rule}, with all that it answered as the assistant's message (${showValue(answer)}, ` +
    "the end of session.text), open a new session for others";
}

async function questionStart(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatOptions,
  text: string,
): Promise<number> {
  const found = messages.findLastIndex(({ role }) => role === "user");
  const last = found < 0 ? messages.length - 1 : found;
  const marked = async (mark: Change): Promise<number | null> => {
    const changed = messages.with(last, withTexts(messages[last]!, mark));
    const other = await textOf(template, changed, { ...options, addGenerationPrompt: true });
    return other === null || other === text ? null : sharedLength(text, other);
  };
  if (options.question !== undefined) return await placeOfQuestion(options.question, text, marked);
  const before = await textOf(template, messages.slice(0, last), options);
  if (before !== null && text.startsWith(before)) return before.length;
  return await marked((part, at) => at === 0 ? MARK + part.trimStart() : part) ?? 0;
}

/** No character: no text holds it. */
const MARK = "\uffff";

/** Changes one of the texts of a message. */
type Change = (part: string, at: number, parts: readonly string[]) => string;

function withTexts(message: ChatMessage, change: Change): ChatMessage {
  const { content } = message;
  if (typeof content === "string") return { ...message, content: change(content, 0, [content]) };
  if (!content) return message;
  const parts = content.flatMap(({ text }) => typeof text === "string" ? [text] : []);
  let at = 0;
  const changed = content.map((part) =>
    typeof part["text"] === "string" ? { ...part, text: change(part["text"], at++, parts) } : part
  );
  return { ...message, content: changed };
}

/** `marked` tells where the text changes with the texts of the last user message; a search would find others, too. */
async function placeOfQuestion(
  question: string,
  text: string,
  marked: (mark: Change) => Promise<number | null>,
): Promise<number> {
  const asked = question.trim();
  const end = await marked((part, at, { length }) =>
    at === length - 1 ? part.trimEnd() + MARK : part
  );
  const place = (end ?? 0) - asked.length;
  if (asked !== "" && place >= 0 && text.startsWith(asked, place)) return place;
  throw refusal(
    RangeError,
    "chat",
    "question must be the end of the last user message, which the template must write as it is",
    question,
  );
}

/** Not every template takes every beginning of a conversation. */
async function textOf(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatTemplateOptions,
): Promise<string | null> {
  if (messages.length === 0) return null;
  try {
    return (await template.render(messages, options)).text;
  } catch (error) {
    if (error instanceof TokenizerError) return null;
    throw error;
  }
}

/** Ids of a part as they are in the whole text, where no token reaches over its start. */
function idsBetween(chat: RenderedChat, start: number, end: number): Int32Array {
  if (start === 0) return chat.encode(0, end);
  const [before, all] = [chat.encode(0, start), chat.encode(0, end)];
  const clean = sharedLength(before, all) === before.length;
  return clean ? all.subarray(before.length) : chat.encode(start, end);
}

function sharedLength(a: ArrayLike<unknown>, b: ArrayLike<unknown>): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
