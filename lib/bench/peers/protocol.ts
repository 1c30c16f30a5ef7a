/**
 * What a peer and its child process say to each other: a JSON object on a line. The child begins with a {@link Hello};
 * every {@link Request} on its standard input is answered by one line. The end of its input ends it.
 */
import type { PeerCase } from "../peer.ts";

/** First line of a child: what it measures, or why it cannot. */
export type Hello =
  | {
    /** Version of the measured package. */
    readonly version: string;
    /**
     * Whether it has no fused kernel and so makes a matrix of all scores.
     * @default false
     */
    readonly square?: boolean;
  }
  | {
    /** Why there is nothing to measure. */
    readonly missing: string;
  };

/** What a child is asked for. */
export interface Request {
  /** The case. */
  readonly case: PeerCase;
  /** Data whose output is wanted; without it the child makes random data and measures. */
  readonly data?: CheckData;
}

/** Arrays of a check: f32 as base64. */
export interface CheckData {
  /** Queries, `[rows, heads, dim]`; one row in decode. */
  readonly q: string;
  /** Keys, `[tokens, kvHeads, dim]`. */
  readonly k: string;
  /** Values, `[tokens, kvHeads, dim]`. */
  readonly v: string;
}

/** Answer of a child. */
export interface Reply {
  /** Milliseconds of each repetition. */
  readonly milliseconds?: readonly number[];
  /** What a reader should know about how it was measured. */
  readonly note?: string;
  /** Output of a check: f32 as base64, `[rows, heads, dim]`. */
  readonly out?: string;
  /** Why it failed. */
  readonly error?: string;
}

/** Query rows of a case. */
export function rowsOf({ kind, tokens }: PeerCase): number {
  return kind === "prefill" ? tokens : 1;
}

/** f32 as base64. */
export function toText(values: Float32Array<ArrayBuffer>): string {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).toBase64();
}

/** f32 out of base64. */
export function fromText(text: string): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint8Array.fromBase64(text).buffer);
}
