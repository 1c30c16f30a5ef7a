import { resolve } from "node:path";
import type { Backend, BackendName, Compute } from "../../ffi/backend.ts";
import { BackendError } from "../../ffi/errors.ts";
import type { BuildProgress } from "../../ffi/build.ts";
import { openBackend } from "../../ffi/open.ts";
import type { DownloadProgress } from "../model/hub.ts";
import { locateModel, type ModelLocation } from "../model/location.ts";
import type { ModelConfig, Tokenizer } from "../model/types.ts";
import type { WeightFormat } from "../model/weights.ts";
import { filePath } from "../trace/file_path.ts";
import { remember } from "./open_models.ts";
import { holdWeights, type SharedModel } from "./registry.ts";
import { listenForStop, Run } from "./run.ts";
import { openSession, type Session } from "./session.ts";
import { restoreSession } from "./session_file/restore.ts";
import { sessionOptions } from "./session_options.ts";
import type {
  FileProgress,
  RestoreOptions,
  SessionModel,
  SessionOptions,
} from "./session_types.ts";

export type { BackendName, Compute } from "../../ffi/backend.ts";
export type { WeightFormat } from "../model/weights.ts";
export type { BuildProgress } from "../../ffi/build.ts";
export type { DownloadProgress } from "../model/hub.ts";

/** Element types a model computes with. */
export interface Precision {
  /** What weight matrices are kept as in memory; as stored in the file where absent. */
  readonly weights?: WeightFormat;
  /**
   * Element type of keys and values.
   * @default "bf16"
   */
  readonly kv?: "f32" | "bf16" | "int8";
  /**
   * What operands are rounded to before they are multiplied in prefill, where the processor multiplies such; sums are f32.
   * @default "bf16"
   */
  readonly compute?: Compute;
}

/** Options of {@link Model.load}. */
export interface LoadOptions {
  /**
   * Where to compute: `auto` takes CUDA where a device answers and its library is there, or `onBuild` shows how it is
   * built; else the native library of the CPU and, where it can be neither found nor built, the slow reference backend
   * with a notice.
   * @default "auto"
   */
  readonly backend?: "auto" | BackendName;
  /** Threads of the native library; the cores the process may use where absent. */
  readonly threads?: number;
  /** Element types. */
  readonly precision?: Precision;
  /**
   * A branch, a tag or a commit of a model of the Hugging Face hub; `org/name@revision` says the same.
   * @default "main"
   */
  readonly revision?: string;
  /** Called while files of a model of the Hugging Face hub come that are not in its cache. */
  readonly onDownload?: (progress: DownloadProgress) => void;
  /** Called while weights are read, with bytes done and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called while the native library is built, which happens once on a machine and takes some seconds. */
  readonly onBuild?: (progress: BuildProgress) => void;
  /** Called with what a person should know, such as a change of backend. */
  readonly onNotice?: (text: string) => void;
  /** Stops loading; what was downloaded stays, and the next download goes on from there. */
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
  /** Where it came from: a folder or a GGUF file. */
  readonly path: string;
  /** Shapes and constants. */
  readonly config: ModelConfig;
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  readonly #backend: Backend;
  readonly #shared: SharedModel;
  readonly #precision: Precision;
  readonly #sessions = new Set<Session>();
  readonly #closing = new AbortController();
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
   * Loads a model: the embedded one, a folder in Hugging Face layout, a GGUF file (of a split one any), or `org/name` of
   * the Hugging Face hub, which is downloaded into the cache that is shared with Python. Loading the same model again
   * shares the weights.
   *
   * @throws {DownloadError} when the hub does not give the model; its `reason` tells why
   * @throws {ModelFormatError} when a file is damaged or of a kind that is not supported
   * @throws {TokenizerError} when the tokenizer is damaged
   * @throws {LibraryError} when `backend: "cpu"` was asked for and cannot be had
   */
  static async load(ref?: string | URL, options: LoadOptions = {}): Promise<Model> {
    const { backend: name = "auto", threads, onNotice, onBuild, precision = {} } = options;
    const location = await locate(ref, options);
    const { compute } = precision;
    const opening = { backend: name, threads, compute, onNotice, onProgress: onBuild };
    const backend = await openBackend(opening);
    const shared = await holdWeights(location.path, backend, precision.weights, options);
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
    const { kv = this.#precision.kv ?? "bf16" } = options;
    return openSession(this.#parts(), sessionOptions({ ...options, kv }));
  }

  /**
   * A session that goes on where a saved one was. It must be of this model. A method that was made per head or by the
   * user is not in a file: give it as `attention`.
   *
   * @throws {SessionFileError} when the file is torn, foreign, or of another model
   * @throws {BudgetError} when keys and values would not fit
   */
  restore(path: string | URL, options: RestoreOptions = {}): Run<FileProgress, Session> {
    if (this.#closed) throw new BackendError("Cannot restore a session as the model is closed");
    const { signal, ...given } = options;
    const control = this.#backend.control();
    const stops = [this.#closing.signal, ...(signal ? [signal] : [])];
    return new Run((emit, inner) => {
      inner.addEventListener("abort", () => control.cancel(), { once: true });
      const file = resolve(filePath(path));
      return restoreSession(this.#parts(), file, given, { emit, signal: inner, control });
    }, { signal: AbortSignal.any(stops) });
  }

  /** Closes its sessions and gives the weights back. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
    this.#closing.abort();
    for (const session of [...this.#sessions]) session.close();
    this.#shared.release();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #parts(): SessionModel {
    return {
      backend: this.#backend,
      config: this.config,
      weights: this.#shared.weights,
      tokenizer: this.tokenizer,
      onOpen: (opened: Session) => void this.#sessions.add(opened),
      onClose: (closed: Session) => void this.#sessions.delete(closed),
    };
  }
}

/** SIGINT (Jupyter's stop button) stops a download as it stops a run. */
async function locate(ref: string | URL | undefined, options: LoadOptions): Promise<ModelLocation> {
  const stop = new AbortController();
  const release = listenForStop(options.signal, (reason) => stop.abort(reason));
  try {
    return await locateModel(ref, { ...options, signal: stop.signal });
  } finally {
    release();
  }
}
