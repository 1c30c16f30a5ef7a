/** Kept queries in a session's file: how many they are in its JSON, queries and positions as sections. */
import type { ZodType } from "zod";
import type { Zod } from "../../../ffi/schema.ts";
import type { ModelConfig } from "../../model/types.ts";
import type { SavedQueries } from "../../retrieval/query_samples.ts";
import type { SectionShape } from "./container.ts";

/** What the JSON says of the queries that a session has kept. */
export interface QueriesContent {
  /** Queries of each head that it may keep; `null` for any number. */
  readonly most: number | null;
  /** Those of each layer. */
  readonly layers: readonly { readonly stride: number; readonly count: number }[];
}

/** What the JSON says of them. */
export function queriesContent(most: number, layers: readonly SavedQueries[]): QueriesContent {
  return {
    most: Number.isFinite(most) ? most : null,
    layers: layers.map(({ stride, positions }) => ({ stride, count: positions.length })),
  };
}

/** The sections of all layers. */
export function querySections(
  { heads, dim }: Pick<ModelConfig, "heads" | "dim">,
  { layers }: QueriesContent,
): SectionShape[] {
  return layers.flatMap(({ count }, layer): SectionShape[] => [
    { name: queryPositionsName(layer), dtype: "i32", shape: [count] },
    { name: queriesName(layer), dtype: "f32", shape: [count, heads, dim] },
  ]);
}

/** Section of a layer's queries. */
export function queriesName(layer: number): string {
  return `queries.${layer}`;
}

/** Section of the positions of a layer's queries. */
export function queryPositionsName(layer: number): string {
  return `queries.${layer}.positions`;
}

/** Queries of what the JSON says and the bytes of their sections. */
export function savedQueries(
  { stride, count }: QueriesContent["layers"][number],
  positions: Uint8Array<ArrayBuffer>,
  queries: Uint8Array<ArrayBuffer>,
): SavedQueries {
  const all = new Float32Array(queries.buffer);
  const width = all.length / count;
  return {
    stride,
    positions: [...new Int32Array(positions.buffer)],
    rows: Array.from({ length: count }, (_, row) => all.slice(row * width, (row + 1) * width)),
  };
}

/** Schema of what the JSON says. */
export function queriesSchema(z: Zod): ZodType<QueriesContent> {
  const count = z.int().min(0);
  const layer = z.strictObject({ stride: z.int().min(1), count });
  return z.strictObject({
    most: z.number().min(0).nullable(),
    layers: z.array(layer).max(2 ** 12),
  });
}
