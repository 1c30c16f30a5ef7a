import {
  type ArrowField,
  type ArrowRow,
  ArrowStream,
  readArrowRows,
} from "../trace/arrow_stream.ts";

/** What one method did with one head on one text. */
export interface CoverageRow {
  /** Name of the text. */
  readonly text: string;
  /** Its tokens. */
  readonly tokens: number;
  /** Tokens that were planned together. */
  readonly chunkTokens: number;
  /** Name of the method. */
  readonly method: string;
  /** Its options, as JSON. */
  readonly methodOptions: string;
  /** Layer number. */
  readonly layer: number;
  /** Query head. */
  readonly head: number;
  /** Kinds of the plans of its chunks, each once, divided by commas. */
  readonly kinds: string;
  /** Attention that the plans kept: `exp(lse of the plan - lse of all keys)`, averaged over rows. */
  readonly mass: number;
  /** How much the output differs, over the norm of the dense output. */
  readonly error: number;
  /** Tile area that was computed, columns as area, over that of dense attention. */
  readonly tileShare: number;
  /** Query-key scores computed to plan, over the same. */
  readonly estimateShare: number;
  /** Milliseconds that dense attention took, a head of the layer on average. */
  readonly denseMs: number;
  /** Milliseconds that attending to the plans took, likewise. */
  readonly attendMs: number;
  /** Milliseconds that the method took to plan, estimates included, likewise. */
  readonly planMs: number;
  /** `(tileShare + estimateShare) * denseMs`: what the method would take if its area were computed at dense attention's speed. */
  readonly predictedMs: number;
  /** What the method itself says it keeps, averaged over rows; `null` where it says nothing. */
  readonly claimed: number | null;
  /** How it knows: `certified`, `estimated`, `carried`, the weakest of its chunks; `null` where it says nothing. */
  readonly claim: string | null;
}

/** Columns of stored rows. */
export const COVERAGE_FIELDS: readonly (ArrowField & { readonly name: keyof CoverageRow })[] = [
  { name: "text", type: "utf8" },
  { name: "tokens", type: "int32" },
  { name: "chunkTokens", type: "int32" },
  { name: "method", type: "utf8" },
  { name: "methodOptions", type: "utf8" },
  { name: "layer", type: "int32" },
  { name: "head", type: "int32" },
  { name: "kinds", type: "utf8" },
  { name: "mass", type: "float64" },
  { name: "error", type: "float64" },
  { name: "tileShare", type: "float64" },
  { name: "estimateShare", type: "float64" },
  { name: "denseMs", type: "float64" },
  { name: "attendMs", type: "float64" },
  { name: "planMs", type: "float64" },
  { name: "predictedMs", type: "float64" },
  { name: "claimed", type: "float64", nullable: true },
  { name: "claim", type: "utf8", nullable: true },
];

/**
 * Adds rows to an Arrow IPC stream file, or makes it.
 *
 * @throws {TypeError} when the file is something else; it is not touched
 */
export async function writeCoverage(path: string, rows: readonly CoverageRow[]): Promise<void> {
  using file = await ArrowStream.open(path, COVERAGE_FIELDS);
  await file.append(rows as unknown as readonly ArrowRow[]);
}

/**
 * The rows of such a file.
 *
 * @throws {TypeError} when the file is something else
 */
export async function readCoverage(path: string): Promise<CoverageRow[]> {
  return [...await readArrowRows(path, COVERAGE_FIELDS)] as unknown as CoverageRow[];
}
