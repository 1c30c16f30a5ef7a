/** The `ll_run` record of a native call: cancel flag, progress counter and error text. */
import type { Awaitable, Compute, RunControl } from "./backend.ts";
import { BackendError, BudgetError, CancelledError } from "./errors.ts";

const RUN_BYTES = 256;
const COMPUTE_OFFSET = 4;
const PROGRESS_OFFSET = 8;
const ERROR_OFFSET = 16;

const COMPUTE_CODES: Readonly<Record<Compute, number>> = { f32: 0, bf16: 1 };
const LL_INVALID_ARGUMENT = 1;
const LL_OUT_OF_MEMORY = 2;
const LL_CANCELLED = 3;

/** A control over an `ll_run` record, which the native side reads and writes while a call runs. */
export class NativeControl implements RunControl {
  /** The record itself. */
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(RUN_BYTES));
  readonly #cancel = new Int32Array(this.bytes.buffer, 0, 1);
  readonly #compute = new Int32Array(this.bytes.buffer, COMPUTE_OFFSET, 1);
  readonly #progress = new BigInt64Array(this.bytes.buffer, PROGRESS_OFFSET, 1);

  /** Sets the flag that running calls poll. */
  cancel(): void {
    Atomics.store(this.#cancel, 0, 1);
  }

  /** Whether the flag is set. */
  get cancelled(): boolean {
    return Atomics.load(this.#cancel, 0) !== 0;
  }

  /** Units of work that calls have counted. */
  get progress(): number {
    return Number(Atomics.load(this.#progress, 0));
  }

  /** Message of the last failed call with this record. */
  get error(): string {
    return textOf(this.bytes.subarray(ERROR_OFFSET));
  }

  /** Forgets the message of an earlier call, and says what products are of; calls that have none leave that out. */
  begin(compute?: Compute): void {
    this.bytes[ERROR_OFFSET] = 0;
    if (compute) this.#compute[0] = COMPUTE_CODES[compute];
  }
}

/** `control` as one of a native call. Throws `BackendError` where another backend made it. */
export function nativeControl(control: RunControl | undefined): NativeControl | undefined {
  if (control === undefined || control instanceof NativeControl) return control;
  throw new BackendError("Cannot run with this control as it must be made by backend cpu or cuda");
}

/** `result` once `running` has ended: at once where the call blocked. */
export function after<T>(running: Awaitable<void>, result: () => T): Awaitable<T> {
  return running instanceof Promise ? running.then(result) : result();
}

/** The text before the first zero byte of `bytes`. */
export function textOf(bytes: Uint8Array<ArrayBuffer>): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** `text` as zero-terminated UTF-8. */
export function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The error of a native status other than `LL_OK`. */
export function statusError(status: number, action: string, text: string): Error {
  const message = text || `Cannot ${action} as the native library refused it: status is ${status}`;
  if (status === LL_INVALID_ARGUMENT) return new RangeError(message);
  if (status === LL_CANCELLED) return new CancelledError(message);
  if (status === LL_OUT_OF_MEMORY) return new BudgetError(message);
  return new BackendError(message);
}
