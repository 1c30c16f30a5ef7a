/** What sessions take and give. */
import type { Backend } from "../../ffi/backend.ts";
import type { Method } from "../attention/method.ts";
import type { ModelConfig, ModelWeights, Tokenizer } from "../model/types.ts";
import type { Phase } from "./forward.ts";
import type { SamplingOptions } from "./sampler.ts";
import type { Session } from "./session.ts";
import type { CaptureOptions } from "./step.ts";

/** Options of a session. */
export interface SessionOptions {
  /**
   * Attention method of all heads.
   * @default methods.dense()
   */
  readonly attention: Method;
  /**
   * Element type of keys and values. `int8` takes half the memory of `bf16`, with a scale for each key channel of 256
   * tokens and for each value.
   * @default "bf16"
   */
  readonly kv: "f32" | "bf16" | "int8";
  /**
   * Where keys and values lie. On a GPU `fast` is the device's memory, and `slow` the host's, pinned, which the device reads
   * through the bus: for contexts that the device has no room for. From either, all indexes but the exact one have copies of the
   * keys and values that they cover in memory of the host, where the CPU searches. Elsewhere both are the same. `file`, on the CPU only, is a
   * file that is mapped, for contexts that memory has no room for: the system writes out and drops what is not used.
   * @default "fast"
   */
  readonly kvTier: "fast" | "slow" | "file";
  /**
   * The file of `kvTier: "file"`, on a disk that has room. There must be none yet, and nobody sees this one: it loses its name at
   * once, so that its space is free again when the session and its forks are closed, or the process ends, however it ends.
   * Needs `--allow-read` and `--allow-write` of it.
   * @default a new one in the folder `TMPDIR`, or `/var/tmp` where that is not set or `--allow-env=TMPDIR` not given
   */
  readonly kvFile?: string | URL;
  /**
   * Bytes that keys and values may take in that file, those of forks included; a text that needs more is refused with the
   * numbers.
   * @default as many as the disk has room for
   */
  readonly fileBytes?: number;
  /**
   * Tokens that pass through the model together in a prefill. Methods that estimate what is attended do so once for each chunk.
   * @default 2048
   */
  readonly chunkTokens: number;
  /**
   * Queries of each head that a prefill keeps, evenly over its tokens: what a graph over its keys is built by. 4096 take, as f32,
   * as much memory as keys and values of 4096 tokens would with a KV head for each query head.
   * @default 4096 where the method asks an index that needs them, else 0
   */
  readonly querySamples: number;
  /**
   * Seed of the sampler.
   * @default 0
   */
  readonly seed: number;
  /**
   * Bytes that keys and values may take in memory (with `kvTier: "file"` they are not counted); a text that needs more is
   * refused with the numbers.
   * @default the memory the machine has free, where `--allow-sys=systemMemoryInfo` lets it be read
   */
  readonly memoryBytes: number;
  /**
   * Tokens the session is meant to hold in the end. Only models whose rotary frequencies depend on the length (`dynamic`
   * and `longrope`) use it: all keys of a session share the frequencies that were chosen before its first token.
   * transformers chooses again as a text grows, so give the whole length here where the first text is only a part.
   * @default the tokens of the first text
   */
  readonly contextTokens?: number;
}

/** What a session needs of its model. */
export interface SessionModel {
  /** Executes. */
  readonly backend: Backend;
  /** Shapes and constants. */
  readonly config: ModelConfig;
  /** Weights. */
  readonly weights: ModelWeights;
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  /** Called once when the session, or a fork of it, is made. */
  readonly onOpen: (session: Session) => void;
  /** Called once when the session is closed. */
  readonly onClose: (session: Session) => void;
}

/** Progress of a run through known tokens. */
export interface Progress {
  /** Tells it from steps. */
  readonly kind: "progress";
  /** Which plans the tokens get; `index` while indexes are built, where `done` and `total` count layers. */
  readonly phase: Phase | "index";
  /** Tokens done in this run. */
  readonly done: number;
  /** Tokens of this run. */
  readonly total: number;
  /** Milliseconds since the run began. */
  readonly ms: number;
}

/** Progress of a session into a file, or out of one. */
export interface FileProgress {
  /** Tells it from other events of a run. */
  readonly kind: "file";
  /** Bytes done, the header excluded. */
  readonly done: number;
  /** Bytes in all, the header excluded. */
  readonly total: number;
  /** Milliseconds since the first byte. */
  readonly ms: number;
}

/** Result of saving a session. */
export interface SavedFile {
  /** Where it is. */
  readonly path: string;
  /** Its size. */
  readonly bytes: number;
  /** Milliseconds it took. */
  readonly ms: number;
}

/** Options of saving a session. */
export interface SaveOptions {
  /** Stops the run; the old file stays. */
  readonly signal?: AbortSignal;
}

/** Options of restoring a session: those of the file count where nothing is given. */
export interface RestoreOptions extends Partial<SessionOptions> {
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** Result of a prefill. */
export interface Prefill {
  /** Tokens added. */
  readonly tokens: number;
  /** Milliseconds it took. */
  readonly ms: number;
}

/** Options of a prefill. */
export interface PrefillOptions {
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/** Options of a walk through the layers. */
export interface WalkOptions {
  /** Attention rows that the following step shows. Nothing is kept where absent. */
  readonly capture?: CaptureOptions;
  /** Stops the walk. */
  readonly signal?: AbortSignal;
}

/** Options of a step. */
export interface StepOptions extends SamplingOptions {
  /** Attention rows to keep. Nothing is kept where absent. */
  readonly capture?: CaptureOptions;
  /** Stops the step. */
  readonly signal?: AbortSignal;
}
