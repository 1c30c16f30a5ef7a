/** Conversations as the prompts that a model was trained on: the template of its folder is applied to messages. */
import { TokenizerError } from "../../ffi/errors.ts";
import { type ChatPiece, markControlTokens, splitMarked } from "./control_tokens.ts";
import { type JinjaTemplate, parseJinja, TemplateRefusal } from "./jinja.ts";
import { reasonOf, refusal } from "../../ffi/refusal.ts";

/** A message of a conversation; further fields such as `tool_calls` are passed to the template. */
export interface ChatMessage {
  /** Who speaks: `system`, `user`, `assistant`, or what else the template knows. */
  readonly role: string;
  /** What is said: a text, or parts where the template takes them. Fields of a message that are `null` are left out. */
  readonly content?: string | readonly Readonly<Record<string, unknown>>[] | null;
  /** What else the template reads. */
  readonly [field: string]: unknown;
}

/** Options of {@link ChatTemplate.render}. */
export interface ChatTemplateOptions {
  /**
   * End with what makes the model answer.
   * @default false
   */
  readonly addGenerationPrompt?: boolean;
  /** JSON schemas of functions that the model may call. */
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  /** Documents that the model may use. */
  readonly documents?: readonly Readonly<Record<string, unknown>>[];
  /**
   * Name of one of the model's templates, or the text of another template.
   * @default "tool_use" where there are tools and the model has a template of that name, else "default"
   */
  readonly template?: string;
  /**
   * Further variables of the template, such as `enable_thinking`; they also replace special tokens.
   * @default {}
   */
  readonly variables?: Readonly<Record<string, unknown>>;
  /**
   * What `strftime_now` tells.
   * @default new Date()
   */
  readonly now?: Date;
  /**
   * Read control tokens such as `<|im_end|>` in messages, tools, documents and variables as ordinary text, so that only
   * the template's own count: transformers' `sanitize_control_tokens`. Otherwise, as in transformers by default, a
   * message that contains such a token can end its turn and begin another.
   * @default false
   */
  readonly escapeSpecial?: boolean;
}

/** A conversation as the model reads it. */
export interface RenderedChat {
  /** The text. */
  readonly text: string;
  /** Its ids. Special tokens in it count, and none is added: where there is a BOS token, the template wrote it. */
  readonly ids: Int32Array;
  /** Ids of the part of the text from `start` to `end`. */
  encode(start: number, end: number): Int32Array;
}

/** The chat templates of a model. */
export interface ChatTemplate {
  /** Names of the model's templates; empty where it has none. */
  readonly names: readonly string[];
  /**
   * Applies a template to messages.
   *
   * @throws {TokenizerError} when there is no template, it is damaged, or it refuses the messages
   */
  render(messages: readonly ChatMessage[], options?: ChatTemplateOptions): Promise<RenderedChat>;
}

/** What templates need of a tokenizer. */
export interface ChatTokens {
  /** Special tokens by the names that templates know: `bos_token`, `eos_token`... */
  readonly named: Readonly<Record<string, string>>;
  /** Added tokens, each with whether it is special. */
  readonly added: readonly { readonly content: string; readonly special: boolean }[];
  /** Added tokens that count as control tokens besides the special ones; `null` for those the template writes. */
  readonly control: readonly string[] | null;
  /** Ids of a text. */
  encode(text: string): Int32Array;
  /** Ids of a text in which added tokens are text. */
  encodePlain(text: string): Int32Array;
}

/** The chat templates `sources`, by name, of a model with these tokens. */
export function chatTemplate(
  sources: ReadonlyMap<string, string>,
  tokens: ChatTokens,
): ChatTemplate {
  const parsed = new Map<string, Promise<JinjaTemplate>>();
  const parse = (source: string): Promise<JinjaTemplate> => {
    const found = parsed.get(source) ?? parseTemplate(source);
    parsed.set(source, found);
    return found;
  };
  return {
    names: [...sources.keys()],
    async render(messages, options = {}) {
      const jinja = await parse(sourceOf(sources, options));
      return rendered(jinja, messages, options, tokens);
    },
  };
}

function sourceOf(
  sources: ReadonlyMap<string, string>,
  { template, tools }: ChatTemplateOptions,
): string {
  if (template !== undefined) return sources.get(template) ?? template;
  const source = (tools && sources.get("tool_use")) ?? sources.get("default");
  if (source !== undefined) return source;
  const names = [...sources.keys()];
  throw wrong(
    "the model must have a template, or one be passed as template",
    names.length > 0
      ? names
      : "none in chat_template.jinja, additional_chat_templates, tokenizer_config.json, chat_template.json",
  );
}

async function parseTemplate(source: string): Promise<JinjaTemplate> {
  try {
    return await parseJinja(source);
  } catch (cause) {
    throw wrong("it must be a Jinja template", reasonOf(cause), cause);
  }
}

function rendered(
  jinja: JinjaTemplate,
  messages: readonly ChatMessage[],
  options: ChatTemplateOptions,
  tokens: ChatTokens,
): RenderedChat {
  const { escapeSpecial = false, now = new Date() } = options;
  const given = plainInputs(messages, options);
  const inputs = escapeSpecial ? markControlTokens(given, controlTokens(jinja, tokens)) : given;
  const { variables, ...others } = inputs as typeof given;
  const { addGenerationPrompt: add_generation_prompt = false } = options;
  const text = run(jinja, { ...tokens.named, ...variables, ...others, add_generation_prompt }, now);
  const added = tokens.added.map(({ content }) => content);
  const pieces = escapeSpecial ? splitMarked(text, added) : [{ text, plain: false }];
  return new PiecedChat(pieces, tokens);
}

/** What a template sees of the caller's values is plain JSON. */
function plainInputs(
  messages: readonly ChatMessage[],
  { tools, documents, variables = {} }: ChatTemplateOptions,
) {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw wrong("messages must be a list of at least one", messages);
  }
  const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value));
  return {
    messages: plain(messages).map(plainMessage),
    tools: plain(tools ?? null),
    documents: plain(documents ?? null),
    variables: plain(variables),
  };
}

/** As transformers: `null` counts as absent, and the thoughts of a message go by all of their names. */
function plainMessage(message: ChatMessage): Record<string, unknown> {
  if (typeof message?.role !== "string") throw wrong("a message must have a role", message?.role);
  const given = Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null));
  const thoughts = given["reasoning_content"] ?? given["thinking"] ?? given["reasoning"];
  if (thoughts === undefined) return given;
  return { thinking: thoughts, ...given, reasoning_content: thoughts };
}

function controlTokens(
  { literals }: JinjaTemplate,
  { added, control }: ChatTokens,
): string[] {
  const isControl = (token: string) => control?.includes(token) ?? isWritten(token, literals);
  return added.filter(({ content, special }) => special || isControl(content))
    .map(({ content }) => content);
}

function isWritten(token: string, literals: readonly string[]): boolean {
  return token.trim() !== "" && literals.some((text) => text.includes(token));
}

function run(
  jinja: JinjaTemplate,
  variables: Readonly<Record<string, unknown>>,
  now: Date,
): string {
  try {
    return jinja.render(variables, now);
  } catch (cause) {
    const rule = cause instanceof TemplateRefusal
      ? "it refuses these messages"
      : "it does not work with these messages";
    throw wrong(rule, reasonOf(cause), cause);
  }
}

/** A rendered chat, control tokens that are text apart from the rest. */
class PiecedChat implements RenderedChat {
  readonly text: string;
  readonly #pieces: readonly ChatPiece[];
  readonly #tokens: ChatTokens;

  constructor(pieces: readonly ChatPiece[], tokens: ChatTokens) {
    this.text = pieces.map(({ text }) => text).join("");
    this.#pieces = pieces;
    this.#tokens = tokens;
  }

  get ids(): Int32Array {
    return this.encode(0, this.text.length);
  }

  encode(start: number, end: number): Int32Array {
    const parts: number[][] = [];
    let at = 0;
    for (const { text, plain } of this.#pieces) {
      const part = text.slice(Math.max(0, start - at), Math.max(0, end - at));
      const first = start === 0 && at === 0;
      if (part !== "") parts.push(Array.from(plain ? this.#plain(part) : this.#ids(part, first)));
      at += text.length;
    }
    return Int32Array.from(parts.flat());
  }

  #ids(part: string, first: boolean): Int32Array {
    return first ? this.#tokens.encode(part) : this.#afterNewline(part, this.#tokens.encode);
  }

  /** A vocabulary may make a control token of its letters. */
  #plain(part: string): Int32Array {
    const ids = this.#afterNewline(part, this.#tokens.encodePlain);
    const token = this.#tokens.added.find(({ content }) => content === part);
    if (token === undefined || !ids.includes(this.#tokens.encode(part)[0]!)) return ids;
    throw wrong("the letters of a control token must not make it", part);
  }

  /** Ids in the middle of a text: what a tokenizer puts in front of a text goes in front of the newline. */
  #afterNewline(part: string, encode: (text: string) => Int32Array): Int32Array {
    const newline = this.#tokens.encode("\n");
    const ids = encode(`\n${part}`);
    return newline.every((id, at) => ids[at] === id) ? ids.subarray(newline.length) : encode(part);
  }
}

function wrong(rule: string, value: unknown, cause?: unknown): TokenizerError {
  const { message } = refusal(TokenizerError, "apply the chat template", rule, value);
  return new TokenizerError(message, { cause });
}
