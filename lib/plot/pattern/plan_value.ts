/** Plans as figures take them: the plain JSON that methods make. */

/** What one head is asked to attend to. Key `j` of query `i`, always with `j <= i`. */
export type PlanValue =
  | { readonly kind: "dense" }
  | { readonly kind: "streaming"; readonly sink: number; readonly window: number }
  | {
    readonly kind: "verticalSlash";
    readonly vertical: readonly number[];
    readonly slash: readonly number[];
    readonly cover?: "blocks" | "tiles";
  }
  | {
    readonly kind: "blockSparse";
    readonly block: number;
    readonly from?: number;
    readonly blocks: readonly (readonly number[])[];
  }
  | {
    readonly kind: "staticPlusRetrieved";
    readonly sink: number;
    readonly window: number;
    readonly index: string;
    readonly topK: number;
    readonly retrieved: readonly number[];
  }
  | {
    readonly kind: "split";
    readonly at: number;
    readonly before: PlanValue;
    readonly after: PlanValue;
  }
  | { readonly kind: "union"; readonly plans: readonly PlanValue[] }
  | { readonly kind: "intersect"; readonly plans: readonly PlanValue[] };

/** The plan of some rows of a text, as a prefill in chunks has one for each chunk. */
export interface PlannedRows {
  /** First query of the rows; they end where the next ones begin. */
  readonly first: number;
  /** Their plan. */
  readonly plan: PlanValue;
}
