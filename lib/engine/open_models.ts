/** Everything Longlens holds in memory, and how to let go of all of it. */
import { type HeldModel, heldModels, usedBackends } from "./registry.ts";

/** What is held. */
export interface HeldMemory {
  /** Models with their weights. */
  readonly models: readonly HeldModel[];
  /** Bytes of tensors and pages, mapped weights excluded. */
  readonly allocatedBytes: number;
}

const open = new Set<{ close(): void }>();

/** Remembers something that `closeAll` is to close; the returned function forgets it. */
export function remember(owner: { close(): void }): () => void {
  open.add(owner);
  return () => void open.delete(owner);
}

/** Models and bytes held now. */
export function memory(): HeldMemory {
  const allocatedBytes = usedBackends().reduce((sum, backend) => sum + backend.allocatedBytes(), 0);
  return { models: heldModels(), allocatedBytes };
}

/** Closes every open model and its sessions. */
export function closeAll(): void {
  for (const owner of [...open]) owner.close();
}
