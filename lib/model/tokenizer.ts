/** Tokenizers of model folders: `@huggingface/tokenizers` splits text, {@link compileDecoder} puts it together again. */
import { join } from "node:path";
import type { Tokenizer as Encoder } from "@huggingface/tokenizers";
import { TokenizerError } from "../../ffi/errors.ts";
import { exists, readJsonFile } from "./json_file.ts";
import { showValue } from "./refusal.ts";
import { compileDecoder, type LeadingStrip, type TokenDecoder } from "./token_bytes.ts";
import { parseTokenizerFile, type TokenizerFile } from "./tokenizer_file.ts";
import type { Tokenizer } from "./types.ts";

const MAX_BYTES = 128 * 2 ** 20;

/** Reads `tokenizer.json` and, where there is one, `tokenizer_config.json` of `folder`. */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const options = { maxBytes: MAX_BYTES, error: TokenizerError };
  const json = await readJsonFile(join(folder, "tokenizer.json"), options);
  const configPath = join(folder, "tokenizer_config.json");
  const config = await exists(configPath) ? await readJsonFile(configPath, options) : {};
  return await readTokenizer(json, config);
}

/** The tokenizer that the contents of `tokenizer.json` and `tokenizer_config.json` describe. */
export async function readTokenizer(json: unknown, config: unknown = {}): Promise<Tokenizer> {
  const { Tokenizer: Encoder } = await import("@huggingface/tokenizers");
  try {
    const file = parseTokenizerFile(json, config);
    return new FileTokenizer(file, new Encoder(file.encoder, {}), compileDecoder(file.decoder));
  } catch (cause) {
    if (cause instanceof TokenizerError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TokenizerError(
      `Cannot read tokenizer.json as it is damaged or not supported: current value is ${
        showValue(reason)
      }`,
      { cause },
    );
  }
}

class FileTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly #tokens: readonly string[];
  readonly #special: ReadonlySet<number>;
  readonly #encoder: Encoder;
  readonly #decoder: TokenDecoder;

  constructor(file: TokenizerFile, encoder: Encoder, decoder: TokenDecoder) {
    this.vocabSize = file.tokens.length;
    this.bosId = file.bosId;
    this.#tokens = file.tokens;
    this.#special = file.special;
    this.#encoder = encoder;
    this.#decoder = decoder;
  }

  encode(text: string, options: { bos?: boolean } = {}): Int32Array {
    const { bos = false } = options;
    const { ids } = this.#encoder.encode(text.toWellFormed(), { add_special_tokens: false });
    if (!bos || this.bosId === null || ids[0] === this.bosId) return Int32Array.from(ids);
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
