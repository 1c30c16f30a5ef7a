/** Which index a method of retrieval asks in each layer: none where no head does. */
import type { IndexOptions } from "../retrieval/index_options.ts";
import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import type { RetrievalMode } from "./head_file.ts";
import type { Method } from "./method.ts";
import type { RetrievalModes } from "./retrieval_modes.ts";

/** Options of the method, checked. */
export interface WishOptions extends Pick<RetrievalWish, "index" | "sink" | "window" | "batch"> {
  /** Keys that are asked for. */
  readonly topK: number;
  /** Whether what is not retrieved is estimated. */
  readonly tail: "none" | "clusters";
  /** What heads do; `null` where all ask. */
  readonly heads: RetrievalModes | null;
}

/** How the tail is clustered. */
const TAIL = { clusterKeys: 64, iterations: 4 };

/** The indexes of a method, and those of a layer: one at most. */
export function retrievalWishes(
  options: WishOptions,
): Required<Pick<Method, "indexes" | "indexesOf">> {
  const { heads, index } = options;
  const asked = wishOf(options, index);
  const tail = index.kind === "exact" ? asked : wishOf(options, { kind: "exact" });
  const wishesFor = (modes: readonly RetrievalMode[]) => {
    if (options.topK > 0 && modes.includes("index")) return [asked];
    const isEstimated = options.tail !== "none" && modes.some((mode) => ASKING.includes(mode));
    return isEstimated ? [tail] : [];
  };
  const every = wishesFor(["index"]);
  const layers = heads?.map(wishesFor);
  return {
    indexes: layers ? [...new Set(layers.flat())] : every,
    indexesOf: (layer) => layers ? layers[layer] ?? [] : every,
  };
}

/** Modes of heads that ask for keys, or have them estimated. */
const ASKING: readonly RetrievalMode[] = ["index", "tail"];

function wishOf({ tail, sink, window, batch }: WishOptions, index: IndexOptions): RetrievalWish {
  const takesEach = index.kind === "exact" && tail === "none";
  return {
    index,
    tail: tail === "clusters" ? TAIL : null,
    sink,
    window,
    batch: takesEach ? 1 : batch,
  };
}
