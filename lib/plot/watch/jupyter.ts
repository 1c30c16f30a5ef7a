/** The door to a notebook's front end: one display that is shown and then replaced. */
import type { MediaBundle } from "../figure.ts";

/** What is used of `Deno.jupyter`. */
export interface Jupyter {
  /** Shows a bundle, or replaces the one with the same id. */
  display(
    bundle: MediaBundle,
    options: { raw: true; display_id: string; update?: boolean },
  ): Promise<void>;
}

/** A display that is replaced as a whole. */
export interface LiveDisplay {
  /** Shows a bundle in place of the one before. */
  show(bundle: MediaBundle): Promise<void>;
  /** Waits until what was shown has left the kernel. */
  flush(): Promise<void>;
}

/** Milliseconds until the kernel's queue has drained: it reports idle before that. */
const FLUSH_MS = 120;

/** Whether this runs in a Jupyter kernel. */
export function inJupyter(): boolean {
  return kernel() !== null;
}

/** A display of the running cell; `null` outside Jupyter. */
export function liveDisplay(jupyter: Jupyter | null = kernel()): LiveDisplay | null {
  if (!jupyter) return null;
  const display_id = `longlens-${crypto.randomUUID()}`;
  let shown = false;
  return {
    async show(bundle) {
      await jupyter.display(bundle, { raw: true, display_id, update: shown });
      shown = true;
    },
    flush: () => new Promise((resolve) => setTimeout(resolve, FLUSH_MS)),
  };
}

/** `Deno.jupyter` throws where there is no kernel. */
function kernel(): Jupyter | null {
  try {
    return (Deno as unknown as { jupyter?: Jupyter }).jupyter ?? null;
  } catch {
    return null;
  }
}
