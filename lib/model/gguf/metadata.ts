/** Key-value pairs of a GGUF header, read as the kinds of values they must be. */
import { ModelFormatError } from "../../../ffi/errors.ts";
import { refusal } from "../../../ffi/refusal.ts";

/** Numbers of an array, in the file's own type; `bigint` for those of 64 bits. */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** A value of a GGUF header. Arrays of booleans are arrays of bytes. */
export type GgufValue = number | bigint | boolean | string | readonly string[] | GgufNumbers;

/** The key-value pairs of a file. Every call but `get` and `has` refuses a value of another kind. */
export class GgufMetadata {
  readonly #name: string;
  readonly #values: ReadonlyMap<string, GgufValue>;

  /** The pairs of the file that errors call `name`. */
  constructor(name: string, values: ReadonlyMap<string, GgufValue>) {
    this.#name = name;
    this.#values = values;
  }

  /** Keys, in the order of the file. */
  get keys(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** Whether there is such a key. */
  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** A value of any kind. */
  get(key: string): GgufValue | undefined {
    return this.#values.get(key);
  }

  /** A text. */
  text(key: string): string | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "string") return value;
    throw this.wrong(`${key} must be a text`, value);
  }

  /** A text that must be there. */
  needText(key: string): string {
    const text = this.text(key);
    if (text !== undefined) return text;
    throw this.wrong(`${key} must be there`, undefined);
  }

  /** A finite number. */
  number(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    const number = typeof value === "bigint" ? Number(value) : value;
    if (typeof number === "number" && Number.isFinite(number)) return number;
    throw this.wrong(`${key} must be a finite number`, value);
  }

  /** An integer from 0 to 2^32. */
  count(key: string): number | undefined {
    const number = this.number(key);
    if (number === undefined || (Number.isInteger(number) && number >= 0 && number <= 2 ** 32)) {
      return number;
    }
    throw this.wrong(`${key} must be an integer from 0 to 2^32`, number);
  }

  /** A count that must be there. */
  needCount(key: string): number {
    const count = this.count(key);
    if (count !== undefined) return count;
    throw this.wrong(`${key} must be there`, undefined);
  }

  /** True or false. */
  flag(key: string): boolean | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.wrong(`${key} must be true or false`, value);
  }

  /** A list of texts. */
  texts(key: string): readonly string[] | undefined {
    const value = this.get(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.wrong(`${key} must be a list of texts`, value);
  }

  /** A list of numbers or booleans of up to 32 bits, or doubles. */
  numbers(key: string): Exclude<GgufNumbers, BigUint64Array | BigInt64Array> | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    const wide = value instanceof BigUint64Array || value instanceof BigInt64Array;
    if (ArrayBuffer.isView(value) && !wide) return value;
    throw this.wrong(`${key} must be a list of numbers`, value);
  }

  /** The error for a file whose metadata break `rule`. */
  wrong(rule: string, value: unknown): ModelFormatError {
    return refusal(ModelFormatError, `read ${this.#name}`, rule, value);
  }
}
