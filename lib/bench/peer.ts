/** What is measured beside our kernels: other programs' attention, each behind this interface. */

/** One attention problem, as both a peer and our kernel are given it. */
export interface PeerCase {
  /** Causal attention of all tokens over themselves, or of one token over all keys. */
  readonly kind: "prefill" | "decode";
  /** Tokens of the sequence: n × n scores in prefill, n keys in decode. */
  readonly tokens: number;
  /** Query heads. */
  readonly heads: number;
  /** KV heads; a divisor of `heads`. */
  readonly kvHeads: number;
  /** Size of a head. */
  readonly dim: number;
  /** Type of q, K and V; `q8_0`: K and V of 8 bits, in blocks of 32 with a scale, as llama.cpp has them. */
  readonly dtype: "f32" | "bf16" | "f16" | "q8_0";
  /** Threads the peer may use. */
  readonly threads: number;
  /** Time to spend on repetitions, in seconds. */
  readonly seconds: number;
  /** Seed of the random data. */
  readonly seed: number;
}

/** What a peer measured. */
export interface PeerResult {
  /** Milliseconds of each repetition, after a warm-up. */
  readonly milliseconds: readonly number[];
  /** What a reader should know about how it was measured. */
  readonly note?: string;
}

/** A program that was found and can be measured. */
export interface Peer {
  /** Its name, as the table prints it. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** Why it cannot run a case; undefined where it can. */
  accepts(c: PeerCase): string | undefined;
  /** Runs a case. */
  measure(c: PeerCase, signal?: AbortSignal): Promise<PeerResult>;
  /** Ends its processes. */
  close(): Promise<void>;
}

/** Looks for a peer on this machine. */
export interface PeerFinder {
  /** Name of the peer it looks for. */
  readonly name: string;
  /** The peer, or why it is not there. */
  find(): Promise<Peer | { readonly missing: string }>;
}
