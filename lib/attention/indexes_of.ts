import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import type { Method } from "./method.ts";

/** The indexes that a method asks in a layer. */
export function indexesOf(method: Method, layer: number): readonly RetrievalWish[] {
  return method.indexesOf?.(layer) ?? method.indexes ?? [];
}
