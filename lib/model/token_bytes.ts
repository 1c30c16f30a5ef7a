/**
 * The bytes that a vocabulary entry stands for, from the `decoder` of `tokenizer.json`: byte-level BPE, or SentencePiece with
 * byte fallback. Bytes, not text, because a character may be spread over several tokens.
 */
import { TokenizerError } from "../../ffi/errors.ts";
import { refusal } from "../../ffi/refusal.ts";

/** Text that is removed from the start of a decoded sequence. */
export interface LeadingStrip {
  /** One character. */
  readonly content: string;
  /** How often it is removed at most. */
  readonly count: number;
}

/** A compiled decoder. */
export interface TokenDecoder {
  /** Bytes of a vocabulary entry. */
  bytes(token: string): Uint8Array;
  /** What the start of a sequence loses. */
  readonly strip: LeadingStrip | null;
}

/** A decoder in `tokenizer.json`. */
export interface DecoderJson {
  /** Kind of decoder. */
  readonly type?: unknown;
  /** Parts of a `Sequence`. */
  readonly decoders?: unknown;
  /** Searched by `Replace`. */
  readonly pattern?: unknown;
  /** Put in by `Replace`, removed by `Strip`. */
  readonly content?: unknown;
  /** `Strip`: how often at the start. */
  readonly start?: unknown;
  /** `Strip`: how often at the end. */
  readonly stop?: unknown;
}

type Bytes = (token: string) => Uint8Array | null;

const SUPPORTED = "ByteLevel, or Replace, ByteFallback, Fuse and Strip in this order";
const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;
const utf8 = new TextEncoder();
const byteOfCharacter = invertByteAlphabet();

/** Compiles a decoder; what is not supported throws. */
export function compileDecoder(json: DecoderJson | null): TokenDecoder {
  const steps = flatten(json);
  const kinds = steps.map((step) => step.type).join();
  if (kinds === "ByteLevel") return { bytes: byteLevelBytes, strip: null };
  if (/^(Replace,)*ByteFallback,Fuse(,Strip)?$/.test(kinds)) return compileFallback(steps);
  throw tokenizerError(`the decoder must be ${SUPPORTED}`, kinds);
}

function flatten(json: DecoderJson | null): DecoderJson[] {
  if (json === null) return [];
  if (json.type !== "Sequence") return [json];
  return (json.decoders as DecoderJson[]).flatMap(flatten);
}

function compileFallback(steps: readonly DecoderJson[]): TokenDecoder {
  const replaces = steps.filter((step) => step.type === "Replace").map(compileReplace);
  const bytes = (token: string): Uint8Array => {
    const text = replaces.reduce((text, replace) => replace(text), token);
    return fallbackByte(text) ?? utf8.encode(text);
  };
  const strip = steps.find((step) => step.type === "Strip");
  return { bytes, strip: strip === undefined ? null : compileStrip(strip) };
}

function compileReplace({ pattern, content }: DecoderJson): (text: string) => string {
  const search = (pattern as { String?: unknown } | undefined)?.String;
  if (typeof search === "string" && search !== "" && typeof content === "string") {
    return (text) => text.replaceAll(search, () => content);
  }
  throw tokenizerError("Replace must have a string pattern", pattern);
}

function compileStrip({ content, start, stop }: DecoderJson): LeadingStrip {
  if (typeof content === "string" && Number.isSafeInteger(start) && stop === 0) {
    return { content, count: start as number };
  }
  throw tokenizerError("Strip must only strip the start", stop);
}

const fallbackByte: Bytes = (token) => {
  const match = BYTE_TOKEN.exec(token);
  return match === null ? null : Uint8Array.of(parseInt(match[1]!, 16));
};

function byteLevelBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) return utf8.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** GPT-2's alphabet: printable bytes stand for themselves, the others for U+0100 and on, in order. */
function invertByteAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    alphabet.set(String.fromCharCode(isPrintable(byte) ? byte : next++), byte);
  }
  return alphabet;
}

function isPrintable(byte: number): boolean {
  return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
}

/** The error for a tokenizer file that breaks `rule`. */
export function tokenizerError(rule: string, value: unknown): TokenizerError {
  return refusal(TokenizerError, "read the tokenizer", rule, value);
}
