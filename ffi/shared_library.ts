/** A native library of this process, shared by all who open its backend. */
import type { Backend, Compute } from "./backend.ts";
import { NativeBackend } from "./native_backend.ts";
import { NativeLibrary } from "./native_library.ts";

/** How a native library is started. */
export interface Start {
  /** Threads, 0 for all cores. */
  readonly threads: number;
  /** Instruction set, "" for the best one. */
  readonly isa: string;
}

/** The backends over one library. */
type Backends = Readonly<Record<Compute, NativeBackend>>;

/** A library that is loaded when it is first opened, and started again when somebody asks for another start. */
export class SharedLibrary {
  #backends: Promise<Backends> | null = null;
  #started: Start | null = null;
  #openHost: (() => Promise<Backend>) | undefined;

  /** How it was started last. */
  get started(): Start | null {
    return this.#started;
  }

  /**
   * The backend that multiplies `compute`; `find` tells the library's path when it must be loaded.
   *
   * @param openHost opens the backend of the CPU, for the indexes of a library that has none; the latest given is asked
   */
  async open(
    find: () => Promise<string>,
    compute: Compute,
    start: Start,
    openHost?: () => Promise<Backend>,
  ): Promise<NativeBackend> {
    this.#openHost = openHost;
    this.#backends ??= this.#load(find);
    try {
      const backend = (await this.#backends)[compute];
      this.#restart(backend.library, start);
      return backend;
    } catch (error) {
      if (!this.#started) this.#backends = null; // so that a later call may try again
      throw error;
    }
  }

  async #load(find: () => Promise<string>): Promise<Backends> {
    const library = NativeLibrary.load(await find());
    const make = (compute: Compute) =>
      new NativeBackend(library, compute, async () => await this.#openHost!());
    return { f32: make("f32"), bf16: make("bf16") };
  }

  #restart(library: NativeLibrary, start: Start): void {
    const { threads, isa } = this.#started ?? {};
    if (threads === start.threads && isa === start.isa) return;
    library.start(start.threads, start.isa);
    this.#started = start;
  }
}
