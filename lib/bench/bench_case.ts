/** What is measured: a case is data, and a function that makes its tensors and gives what to run. */
import type { Awaitable, Backend, KvDType, RunControl } from "../../ffi/backend.ts";
import type { Work } from "./ceilings.ts";
import type { PeerCase } from "./peer.ts";
import type { RandomRows } from "./random_rows.ts";

/** Element types that are measured: of keys and values, or of weights. */
export const MEASURED = ["f32", "bf16", "int8"] as const satisfies readonly KvDType[];

/** One of {@link MEASURED}. */
export type MeasuredDType = typeof MEASURED[number];

/** Shape of a case. */
export interface CaseShape {
  /** Tokens of the context; rows of a linear layer. */
  readonly tokens: number;
  /** Query heads. */
  readonly heads: number;
  /** KV heads. */
  readonly kvHeads: number;
  /** Size of a head. */
  readonly dim: number;
  /** Element type of keys and values, or of weights. */
  readonly dtype: MeasuredDType;
  /** Share of the query-key pairs that are computed; 1 unless the case is sparse. */
  readonly share: number;
}

/** Where a case makes its tensors. */
export interface Bench {
  /** The backend that is measured. */
  readonly backend: Backend;
  /** Random data. */
  readonly data: RandomRows;
}

/** One call of a kernel, with other data each time where that matters. */
export type Repetition = (control: RunControl) => Awaitable<void>;

/** A case whose tensors are made. */
export interface OpenCase {
  /** The call that is measured. */
  readonly run: Repetition;
  /** A call of ours that it is compared with, taken in turn with it. */
  readonly dense?: Repetition | undefined;
  /** Frees the tensors. */
  close(): void;
}

/** Problem that peers are given, as far as the case knows it. */
export type PeerProblem = Pick<PeerCase, "kind" | "tokens" | "heads" | "kvHeads" | "dim">;

/** A kernel on one shape. */
export interface BenchCase extends CaseShape, Work {
  /** Kernel: the family of the case. */
  readonly kernel: string;
  /** Its shape for people: what `--filter` looks into, together with the kernel. */
  readonly shape: string;
  /** Bytes of its tensors. */
  readonly memoryBytes: number;
  /** Floating-point operations of {@link OpenCase.dense}; 0 where there is none. */
  readonly denseFlops: number;
  /** What peers are asked to do for comparison; null where none is asked. */
  readonly peers: PeerProblem | null;
  /** Makes the tensors. */
  readonly open: (bench: Bench) => Promise<OpenCase>;
}

/** Numbers of tokens for people: `512`, `16K`. */
export function tokensText(tokens: number): string {
  return tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}K` : `${tokens}`;
}

/** The shape of an attention call for people. */
export function attentionText({ tokens, heads, kvHeads, dim, dtype, share }: CaseShape): string {
  const part = share === 1 ? "" : ` ${Number((100 * share).toPrecision(3))} %`;
  return `n=${tokensText(tokens)} d=${dim} heads=${heads}/${kvHeads} ${dtype}${part}`;
}
