/** The memory that emulated CUDA says there is. */
import type { MemoryTier } from "../../ffi/backend.ts";

const DEFAULT_BYTES = 8 * 2 ** 30;

const SYMBOLS = {
  emulated_set_memory: { parameters: ["i64", "i64"], result: "void" },
  emulated_device_used: { parameters: [], result: "i64" },
  emulated_pinned_used: { parameters: [], result: "i64" },
} as const;
SYMBOLS satisfies Deno.ForeignLibraryInterface;

/** Sets it for one test. */
export class EmulatedMemory {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;

  /** That of the library at `path`. */
  constructor(path: string) {
    this.#library = Deno.dlopen(path, SYMBOLS);
  }

  /** Bytes that the library has taken. */
  used(tier: MemoryTier): number {
    const { emulated_device_used, emulated_pinned_used } = this.#library.symbols;
    return Number(tier === "fast" ? emulated_device_used() : emulated_pinned_used());
  }

  /** Leaves so many bytes beside what is taken. */
  leave(bytes: Readonly<Record<MemoryTier, number>>): void {
    const [fast, slow] = (["fast", "slow"] as const).map((tier) => this.used(tier) + bytes[tier]);
    this.#library.symbols.emulated_set_memory(BigInt(fast!), BigInt(slow!));
  }

  /** There is as much as at the start. */
  [Symbol.dispose](): void {
    this.#library.symbols.emulated_set_memory(BigInt(DEFAULT_BYTES), BigInt(DEFAULT_BYTES));
    this.#library.close();
  }
}
