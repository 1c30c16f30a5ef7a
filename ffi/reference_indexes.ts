/** The operations of indexes over the pages of the reference backend. */
import { checkedIndexes } from "./checked_indexes.ts";
import type { IndexOperations } from "./index_operations.ts";
import { referenceClusters } from "./reference_cluster_index.ts";
import { referenceFlat4 } from "./reference_flat4_index.ts";
import { referenceGraph } from "./reference_graph_index.ts";

/** The operations with checked arguments. */
export const REFERENCE_INDEXES: IndexOperations = checkedIndexes("reference", {
  ...referenceGraph,
  ...referenceFlat4,
  ...referenceClusters,
});
