/** Tokenizers of model folders: `@huggingface/tokenizers` splits text, {@link compileDecoder} puts it together again. */
import { join } from "node:path";
import type { Tokenizer as Encoder } from "@huggingface/tokenizers";
import { TokenizerError } from "../../ffi/errors.ts";
import { type ChatTemplate, chatTemplate } from "./chat_template.ts";
import { loadChatTemplates, readChatTemplates } from "./chat_template_files.ts";
import { exists, readJsonFile } from "./json_file.ts";
import { isObject } from "./json_text.ts";
import { reasonOf, showValue } from "../../ffi/refusal.ts";
import {
  compileDecoder,
  type LeadingStrip,
  type TokenDecoder,
  tokenizerError,
} from "./token_bytes.ts";
import { openEncoder } from "./tokenizer_encoder.ts";
import { parseTokenizerFile, type TokenizerFile } from "./tokenizer_file.ts";
import { pause } from "./tokenizer_slices.ts";
import type { TokenizerVocabulary } from "./tokenizer_vocabulary.ts";
import type { Tokenizer } from "./types.ts";

const FILE = { maxBytes: 128 * 2 ** 20, error: TokenizerError };

/** Reads `tokenizer.json` of `folder` and, where there are some, its settings and chat templates. */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const json = await readJsonFile(join(folder, "tokenizer.json"), FILE);
  const config = await loadSettings(folder);
  return await readTokenizer(json, config, await loadChatTemplates(folder, config));
}

/** Older folders have the names of their special tokens in a file of their own. */
async function loadSettings(folder: string): Promise<unknown> {
  const read = async (name: string): Promise<unknown> => {
    const path = join(folder, name);
    return await exists(path) ? await readJsonFile(path, FILE) : {};
  };
  const config = await read("tokenizer_config.json");
  if (!isObject(config) || "added_tokens_decoder" in config) return config;
  const named = await read("special_tokens_map.json");
  if (isObject(named)) return { ...config, ...named };
  throw tokenizerError("special_tokens_map.json must be an object", named);
}

/**
 * The tokenizer that the contents of `tokenizer.json` and `tokenizer_config.json` describe, with `vocabulary` in place of
 * that of `tokenizer.json` where it is given.
 */
export async function readTokenizer(
  json: unknown,
  config: unknown = {},
  templates: ReadonlyMap<string, string> = readChatTemplates(config),
  vocabulary?: TokenizerVocabulary,
): Promise<Tokenizer> {
  const library = await import("@huggingface/tokenizers");
  try {
    const file = await parseTokenizerFile(json, config, vocabulary);
    await pause();
    const encoder = (added: boolean) => openEncoder(library, file, added);
    return new FileTokenizer(file, encoder, compileDecoder(file.decoder), templates);
  } catch (cause) {
    if (cause instanceof TokenizerError) throw cause;
    throw new TokenizerError(
      `Cannot read tokenizer.json as it is damaged or not supported: current value is ${
        showValue(reasonOf(cause))
      }`,
      { cause },
    );
  }
}

class FileTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly chatTemplate: ChatTemplate;
  readonly #tokens: readonly string[];
  readonly #special: ReadonlySet<number>;
  readonly #encoder: Encoder;
  readonly #decoder: TokenDecoder;

  constructor(
    file: TokenizerFile,
    encoder: (added: boolean) => Encoder,
    decoder: TokenDecoder,
    templates: ReadonlyMap<string, string>,
  ) {
    this.vocabSize = file.tokens.length;
    this.bosId = file.bosId;
    this.#tokens = file.tokens;
    this.#special = file.special;
    this.#encoder = encoder(true);
    this.#decoder = decoder;
    let plain: Encoder | undefined;
    this.chatTemplate = chatTemplate(templates, {
      ...file,
      encode: (text) => this.encode(text),
      encodePlain: (text) => encodeWith(plain ??= encoder(false), text),
    });
  }

  encode(text: string, options: { bos?: boolean } = {}): Int32Array {
    const { bos = false } = options;
    const ids = encodeWith(this.#encoder, text);
    if (!bos || this.bosId === null || ids[0] === this.bosId) return ids;
    const started = new Int32Array(ids.length + 1);
    started[0] = this.bosId;
    started.set(ids, 1);
    return started;
  }

  decode(ids: ArrayLike<number>, options: { special?: boolean } = {}): string {
    const { special = false } = options;
    const pieces = Array.from(ids, (id) => this.#bytes(id, special));
    const text = new TextStream(this.#decoder.strip);
    return text.push(concatenate(pieces)) + text.flush();
  }

  token(id: number): string {
    return this.#tokens[id] ?? "";
  }

  piece(id: number): string {
    const bytes = this.#decoder.bytes(this.token(id));
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return Array.from(bytes, byteName).join("");
    }
  }

  stream(): { push(id: number): string; flush(): string } {
    const text = new TextStream(this.#decoder.strip);
    return { push: (id) => text.push(this.#bytes(id, false)), flush: () => text.flush() };
  }

  /** Models may have more ids than their tokenizer: those have no text. */
  #bytes(id: number, special: boolean): Uint8Array {
    if (!special && this.#special.has(id)) return new Uint8Array();
    return this.#decoder.bytes(this.token(id));
  }
}

function encodeWith(encoder: Encoder, text: string): Int32Array {
  const { ids } = encoder.encode(text.toWellFormed(), { add_special_tokens: false });
  return Int32Array.from(ids);
}

/** Bytes in, text out: holds back the bytes of an unfinished character, strips the start of the sequence. */
class TextStream {
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #content: string;
  #left: number;

  constructor(strip: LeadingStrip | null) {
    this.#content = strip?.content ?? "";
    this.#left = strip?.count ?? 0;
  }

  push(bytes: Uint8Array): string {
    return this.#strip(this.#utf8.decode(bytes, { stream: true }));
  }

  flush(): string {
    return this.#strip(this.#utf8.decode());
  }

  #strip(text: string): string {
    let rest = text;
    while (this.#left > 0 && rest !== "") {
      const found = rest.startsWith(this.#content);
      if (found) rest = rest.slice(this.#content.length);
      this.#left = found ? this.#left - 1 : 0;
    }
    return rest;
  }
}

/** A byte as SentencePiece writes it. */
function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
