/** A native library of this process, shared by all who open its backend. */
import type { Compute } from "./backend.ts";
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

  /** How it was started last. */
  get started(): Start | null {
    return this.#started;
  }

  /** The backend that multiplies `compute`; `find` tells the library's path when it must be loaded. */
  async open(find: () => Promise<string>, compute: Compute, start: Start): Promise<NativeBackend> {
    this.#backends ??= load(find);
    try {
      const backend = (await this.#backends)[compute];
      this.#restart(backend.library, start);
      return backend;
    } catch (error) {
      if (!this.#started) this.#backends = null; // so that a later call may try again
      throw error;
    }
  }

  #restart(library: NativeLibrary, start: Start): void {
    const { threads, isa } = this.#started ?? {};
    if (threads === start.threads && isa === start.isa) return;
    library.start(start.threads, start.isa);
    this.#started = start;
  }
}

async function load(find: () => Promise<string>): Promise<Backends> {
  const library = NativeLibrary.load(await find());
  return { f32: new NativeBackend(library, "f32"), bf16: new NativeBackend(library, "bf16") };
}
