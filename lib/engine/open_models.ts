/** Everything Longlens holds in memory, and how to let go of all of it. */
import type { PageTier } from "../../ffi/backend.ts";
import { type HeldModel, heldModels, usedBackends } from "./registry.ts";

/** What is held. */
export interface HeldMemory {
  /** Models with their weights. */
  readonly models: readonly HeldModel[];
  /** Bytes of tensors and pages, those in files included, mapped weights excluded. */
  readonly allocatedBytes: number;
  /** Bytes of those that lie in the slow tier of a device: memory of the host. */
  readonly slowBytes: number;
  /** Bytes of those that lie in files. */
  readonly fileBytes: number;
}

const open = new Set<{ close(): void }>();

/** Remembers something that `closeAll` is to close; the returned function forgets it. */
export function remember(owner: { close(): void }): () => void {
  open.add(owner);
  return () => void open.delete(owner);
}

/** Models and bytes held now. */
export function memory(): HeldMemory {
  return {
    models: heldModels(),
    allocatedBytes: bytesIn(),
    slowBytes: bytesIn("slow"),
    fileBytes: bytesIn("file"),
  };
}

function bytesIn(tier?: PageTier): number {
  return usedBackends().reduce((sum, backend) => sum + backend.allocatedBytes(tier), 0);
}

/** Closes every open model and its sessions. */
export function closeAll(): void {
  for (const owner of [...open]) owner.close();
}
