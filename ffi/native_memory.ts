/** Memory of the native library that is owned from JavaScript. */
import type { MemoryTier } from "./backend.ts";
import type { NativeLibrary } from "./native_library.ts";

/** Where memory comes from: `ll_alloc`, or `ll_map_file`, which is read-only. */
export type MemoryKind = "allocated" | "mapped";

/** A net for owners that were never closed, not the plan. */
export const lost: FinalizationRegistry<() => void> = new FinalizationRegistry((free) => free());

/** A block of native memory. Whoever made it closes it; views share it. */
export class Memory {
  /** Address of its first byte. */
  readonly address: bigint;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Where it comes from. */
  readonly kind: MemoryKind;
  /** Where it lies. */
  readonly tier: MemoryTier;
  readonly #free: () => void;
  #closed = false;

  /** Takes over a block that `library` returned. */
  constructor(
    library: NativeLibrary,
    address: bigint,
    sizeBytes: number,
    kind: MemoryKind,
    tier: MemoryTier = "fast",
  ) {
    this.address = address;
    this.sizeBytes = sizeBytes;
    this.kind = kind;
    this.tier = tier;
    this.#free = kind === "mapped"
      ? unmapper(library, address, sizeBytes)
      : freer(library, address, sizeBytes, tier);
    lost.register(this, this.#free, this);
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Frees the block once no running call may use it. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    lost.unregister(this);
    this.#free();
  }
}

// These must not close over the Memory, which the registry could then never see lost.
function freer(
  library: NativeLibrary,
  address: bigint,
  sizeBytes: number,
  tier: MemoryTier,
): () => void {
  return () => {
    library.allocatedBytes[tier] -= sizeBytes;
    library.release(() => library.symbols.ll_free(address));
  };
}

function unmapper(library: NativeLibrary, address: bigint, sizeBytes: number): () => void {
  return () => library.release(() => library.symbols.ll_unmap_file(address, BigInt(sizeBytes)));
}
