const SYMBOLS = {
  emulated_work_late: { parameters: ["i32"], result: "void" },
  emulated_work_queued: { parameters: [], result: "i64" },
} as const;
SYMBOLS satisfies Deno.ForeignLibraryInterface;

/** Emulated CUDA does its work only when it is waited for, as long as this is there. */
export class LateWork {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;

  /** In the library at `path`. */
  constructor(path: string) {
    this.#library = Deno.dlopen(path, SYMBOLS);
    this.#library.symbols.emulated_work_late(1);
  }

  /** Pieces of work that nobody has waited for. */
  get queued(): number {
    return Number(this.#library.symbols.emulated_work_queued());
  }

  /** Does what is left; then work is done at once again. */
  [Symbol.dispose](): void {
    this.#library.symbols.emulated_work_late(0);
    this.#library.close();
  }
}
