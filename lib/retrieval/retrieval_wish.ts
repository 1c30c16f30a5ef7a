import type { ClusterSettings } from "./cluster_set.ts";
import type { IndexOptions } from "./index_options.ts";

/** An index that a method asks, the same in every layer that has it, over the keys between the first tokens and a window. */
export interface RetrievalWish {
  /** Kind and options. */
  readonly index: IndexOptions;
  /** How the keys that are not retrieved are estimated; `null` for not at all. */
  readonly tail: ClusterSettings | null;
  /** Tokens at the start of the text that it leaves out. */
  readonly sink: number;
  /** Most recent tokens that it leaves out. */
  readonly window: number;
  /**
   * Keys that must have left the window before they are taken in together, and before there is an index at all; until then they
   * count to the window.
   */
  readonly batch: number;
}
