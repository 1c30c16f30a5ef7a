import type { LayerState, Stage } from "./state.ts";

/** A function that sees, and may change, the states it was added for. */
export type Hook = (state: LayerState) => void | Promise<void>;

/** Which states a hook is called for. */
export interface HookOptions {
  /** Place of the pass. */
  readonly at: Stage;
  /**
   * Layers; all where absent.
   * @default all layers
   */
  readonly layers?: readonly number[];
}

/** The hooks of a session, called in the order they were added. */
export class Hooks {
  #entries: { options: HookOptions; hook: Hook }[] = [];

  /** Adds a hook; the returned function removes it. */
  add(options: HookOptions, hook: Hook): () => void {
    const entry = { options, hook };
    this.#entries.push(entry);
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** Adds the hooks of another session. */
  adopt(other: Hooks): void {
    this.#entries.push(...other.#entries);
  }

  /** Removes all hooks. */
  clear(): void {
    this.#entries = [];
  }

  /** Calls the hooks that were added for this state. */
  async call(state: LayerState): Promise<void> {
    for (const { options, hook } of [...this.#entries]) {
      if (options.at !== state.stage) continue;
      if (options.layers && !options.layers.includes(state.layer)) continue;
      await hook(state);
    }
  }
}
