/** Indexes in a session's file: what they are in its JSON, their arrays as sections. */
import type { ZodType } from "zod";
import { INDEX_KINDS, type IndexKind, type IndexOptions } from "../../retrieval/index_options.ts";
import type { IndexArray, SavedIndex } from "../../retrieval/kv_index.ts";
import type { RetrievalWish } from "../../retrieval/retrieval_wish.ts";
import type { Zod } from "../../../ffi/schema.ts";
import type { SavedLayerIndex } from "../session_indexes.ts";
import type { SectionDType, SectionShape } from "./container.ts";

type ArrayType = "i32" | "u32" | "f32" | "u8";

/** An array of an index. */
interface ArrayContent {
  readonly name: string;
  readonly type: ArrayType;
  readonly length: number;
}

/** What the JSON says of an index. */
export interface IndexContent extends Omit<SavedIndex, "arrays"> {
  /** The layer. */
  readonly layer: number;
  /** What it is there for. */
  readonly wish: RetrievalWish;
  /** Clusters of a KV head in the estimate of the tail; `null` without one. */
  readonly tailClusters: number | null;
  /** Arrays of the index. */
  readonly arrays: readonly ArrayContent[];
  /** Arrays of the tail. */
  readonly tailArrays: readonly ArrayContent[];
}

const TYPES = {
  i32: Int32Array<ArrayBuffer>,
  u32: Uint32Array<ArrayBuffer>,
  f32: Float32Array<ArrayBuffer>,
  u8: Uint8Array<ArrayBuffer>,
} as const;

/** What the JSON says of an index. */
export function indexContent(
  { layer, wish, saved: { index, tail } }: SavedLayerIndex,
): IndexContent {
  const { arrays, ...rest } = index;
  const tailClusters = tail?.count ?? null;
  const tailArrays = describe(tail?.arrays ?? {});
  return { layer, wish, ...rest, tailClusters, arrays: describe(arrays), tailArrays };
}

/** The sections of index number `number`. */
export function indexSections(
  { arrays, tailArrays }: IndexContent,
  number: number,
): SectionShape[] {
  return [...arrays, ...tailArrays].map(({ type, length }, i): SectionShape => {
    // What a number means is in the JSON: a section of u32 has the bytes of one of i32.
    const dtype: SectionDType = type === "u32" ? "i32" : type;
    return { name: sectionName(number, i), dtype, shape: [length] };
  });
}

/** The arrays of an index, in the order of its sections. */
export function* indexArrays({ saved: { index, tail } }: SavedLayerIndex): Generator<Uint8Array> {
  const arrays = [...Object.values(index.arrays), ...Object.values(tail?.arrays ?? {})];
  for (const { buffer, byteOffset, byteLength } of arrays) {
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** Section of array `array` of index number `number`. */
export function sectionName(number: number, array: number): string {
  return `index.${number}.${array}`;
}

/** An index of what the JSON says and the bytes of its sections. */
export function savedIndex(
  content: IndexContent,
  sections: readonly Uint8Array<ArrayBuffer>[],
): SavedLayerIndex {
  const { layer, wish, arrays, tailArrays, tailClusters, ...rest } = content;
  const own = rebuild(arrays, sections.slice(0, arrays.length));
  const others = rebuild(tailArrays, sections.slice(arrays.length));
  const tail = tailClusters === null ? null : { count: tailClusters, arrays: others };
  return { layer, wish, saved: { index: { ...rest, arrays: own }, tail } };
}

/** Schema of what the JSON says. */
export function indexSchema(z: Zod): ZodType<IndexContent> {
  const count = z.int().min(0);
  const kind = z.enum(INDEX_KINDS as [IndexKind, ...IndexKind[]]);
  const options = z.looseObject({ kind }) as unknown as ZodType<IndexOptions>;
  const tail = z.strictObject({ clusterKeys: z.int().min(1), iterations: count });
  const array = z.strictObject({
    name: z.string().min(1).max(100),
    type: z.enum(["i32", "u32", "f32", "u8"]),
    length: count,
  });
  return z.strictObject({
    layer: count,
    wish: z.strictObject({
      index: options,
      tail: tail.nullable(),
      sink: count,
      window: count,
      batch: z.int().min(1),
    }),
    options,
    start: count,
    end: count,
    appended: count,
    buildMs: z.number(),
    counts: z.record(z.string(), z.number()),
    tailClusters: count.nullable(),
    arrays: z.array(array).max(16),
    tailArrays: z.array(array).max(16),
  });
}

function describe(arrays: Readonly<Record<string, IndexArray>>): ArrayContent[] {
  return Object.entries(arrays).map(([name, array]) => {
    const type = (Object.keys(TYPES) as ArrayType[]).find((type) => array instanceof TYPES[type])!;
    return { name, type, length: array.length };
  });
}

function rebuild(
  arrays: readonly ArrayContent[],
  sections: readonly Uint8Array<ArrayBuffer>[],
): Record<string, IndexArray> {
  return Object.fromEntries(
    arrays.map(({ name, type }, i) => [name, new TYPES[type](sections[i]!.buffer)]),
  );
}
