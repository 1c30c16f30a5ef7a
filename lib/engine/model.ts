import type { Backend, BackendName } from "../../ffi/backend.ts";
import { BackendError } from "../../ffi/errors.ts";
import type { BuildProgress } from "../../ffi/build.ts";
import { openBackend } from "../../ffi/open.ts";
import { dense } from "../attention/dense.ts";
import { locateModel } from "../model/location.ts";
import type { ModelConfig, Tokenizer } from "../model/types.ts";
import { freeMemoryBytes } from "./free_memory.ts";
import { remember } from "./open_models.ts";
import { holdWeights, type SharedModel } from "./registry.ts";
import { checkSeed } from "./seed.ts";
import { openSession, type Session } from "./session.ts";
import type { SessionOptions } from "./session_types.ts";

export type { BackendName } from "../../ffi/backend.ts";
export type { BuildProgress } from "../../ffi/build.ts";

/** Element types a model computes with. */
export interface Precision {
  /**
   * Element type of weight matrices in memory; as stored in the file where absent (f16 becomes f32).
   */
  readonly weights?: "f32" | "bf16";
  /**
   * Element type of keys and values.
   * @default "bf16"
   */
  readonly kv?: "f32" | "bf16";
}

/** Options of {@link Model.load}. */
export interface LoadOptions {
  /**
   * Where to compute: `auto` takes the native library and, where it can be neither found nor built, the slow
   * reference backend with a notice.
   * @default "auto"
   */
  readonly backend?: "auto" | BackendName;
  /** Threads of the native library; the cores the process may use where absent. */
  readonly threads?: number;
  /** Element types. */
  readonly precision?: Precision;
  /** Called while weights are read, with bytes done and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called while the native library is built, which happens once on a machine and takes some seconds. */
  readonly onBuild?: (progress: BuildProgress) => void;
  /** Called with what a person should know, such as a change of backend. */
  readonly onNotice?: (text: string) => void;
  /** Stops loading. */
  readonly signal?: AbortSignal;
}

/**
 * A language model ready to run.
 *
 * @example
 * ```ts ignore
 * const model = await Model.load();
 * const session = model.session({ attention: methods.retrieval({ topK: 100 }) });
 * await session.prefill(context);
 * console.log((await session.ask("What is the pass key?")).text);
 * session.close();
 * model.close();
 * ```
 */
export class Model {
  /** Where it came from: a folder. */
  readonly path: string;
  /** Shapes and constants. */
  readonly config: ModelConfig;
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  readonly #backend: Backend;
  readonly #shared: SharedModel;
  readonly #precision: Precision;
  readonly #sessions = new Set<Session>();
  readonly #forget: () => void;
  #closed = false;

  private constructor(backend: Backend, shared: SharedModel, precision: Precision) {
    this.path = shared.path;
    this.config = shared.config;
    this.tokenizer = shared.tokenizer;
    this.#backend = backend;
    this.#shared = shared;
    this.#precision = precision;
    this.#forget = remember(this);
  }

  /**
   * Loads a model: the embedded one, a folder in Hugging Face layout, or `org/name` from the local hub cache.
   * Loading the same folder again shares the weights.
   *
   * @throws {ModelFormatError} when a file is damaged or of a kind that is not supported
   * @throws {TokenizerError} when the tokenizer is damaged
   * @throws {LibraryError} when `backend: "cpu"` was asked for and cannot be had
   */
  static async load(ref?: string | URL, options: LoadOptions = {}): Promise<Model> {
    const { backend: name = "auto", threads, onNotice, onBuild, precision = {} } = options;
    const location = await locateModel(ref);
    const backend = await openBackend({ backend: name, threads, onNotice, onProgress: onBuild });
    const shared = await holdWeights(location.folder, backend, precision.weights, options);
    return new Model(backend, shared, precision);
  }

  /** Name of the backend it runs on. */
  get backend(): BackendName {
    return this.#backend.name;
  }

  /** Bytes of the weights, mapped and copied. */
  get sizeBytes(): number {
    return this.#shared.weights.sizeBytes;
  }

  /** A new, empty session. Defaults stand with {@link SessionOptions}. */
  session(options: Partial<SessionOptions> = {}): Session {
    if (this.#closed) throw new BackendError("Cannot open a session as the model is closed");
    const { chunkTokens = 512, seed = 0, memoryBytes = freeMemoryBytes() } = options;
    checkPositive("chunkTokens", chunkTokens);
    checkSeed("open a session", seed);
    if (!(memoryBytes >= 0)) {
      throw new RangeError(
        `Cannot open a session as memoryBytes must be >= 0: current value is ${memoryBytes}`,
      );
    }
    const model = {
      backend: this.#backend,
      config: this.config,
      weights: this.#shared.weights,
      tokenizer: this.tokenizer,
      onOpen: (opened: Session) => void this.#sessions.add(opened),
      onClose: (closed: Session) => void this.#sessions.delete(closed),
    };
    return openSession(model, {
      attention: options.attention ?? dense(),
      kv: options.kv ?? this.#precision.kv ?? "bf16",
      chunkTokens,
      seed,
      memoryBytes,
    });
  }

  /** Closes its sessions and gives the weights back. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
    for (const session of [...this.#sessions]) session.close();
    this.#shared.release();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function checkPositive(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RangeError(
    `Cannot open a session as ${name} must be a whole number >= 1: current value is ${value}`,
  );
}
