/** Trials on key sets in an Arrow IPC stream file. */
import {
  type ArrowField,
  type ArrowRow,
  ArrowStream,
  readArrowRows,
} from "../trace/arrow_stream.ts";
import type { IndexScaleRow } from "./index_scaling.ts";

const TEXTS = ["text", "source", "index", "parameter", "effort"] as const;
const COUNTS = ["layer", "kvHead", "head", "keys"] as const;
const NUMBERS = [
  ...["recall", "massShare", "massShare5", "foundShare", "foundShare5"] as const,
  ...["scanned", "searchMs", "buildMs"] as const,
];

/** Columns of stored rows. */
export const INDEX_SCALE_FIELDS: readonly (ArrowField & { readonly name: keyof IndexScaleRow })[] =
  [
    ...TEXTS.map((name) => ({ name, type: "utf8" }) as const),
    ...COUNTS.map((name) => ({ name, type: "int32" }) as const),
    ...NUMBERS.map((name) => ({ name, type: "float64" }) as const),
  ];

/**
 * Adds rows to an Arrow IPC stream file, or makes it.
 *
 * @throws {TypeError} when the file is something else; it is not touched
 */
export async function writeIndexScale(
  path: string,
  rows: readonly IndexScaleRow[],
): Promise<void> {
  using file = await ArrowStream.open(path, INDEX_SCALE_FIELDS);
  await file.append(rows as unknown as readonly ArrowRow[]);
}

/**
 * The rows of such a file.
 *
 * @throws {TypeError} when the file is something else
 */
export async function readIndexScale(path: string): Promise<IndexScaleRow[]> {
  return [...await readArrowRows(path, INDEX_SCALE_FIELDS)] as unknown as IndexScaleRow[];
}
