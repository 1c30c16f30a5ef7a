/** Rows of index trials in an Arrow IPC stream file. */
import {
  type ArrowField,
  type ArrowRow,
  ArrowStream,
  readArrowRows,
} from "../trace/arrow_stream.ts";
import type { IndexTrialRow } from "./index_trials.ts";

const TEXTS = ["text", "index", "parameter"] as const;
const COUNTS = ["tokens", "layer", "head", "keys"] as const;
const NUMBERS = [
  ...["recall", "mass", "exactMass", "massShare", "massShare5", "scannedShare"] as const,
  ...["error", "exactError", "tailError", "tailMass"] as const,
  ...["searchMs", "exactMs", "buildMs", "bytes"] as const,
];

/** Columns of stored rows. */
export const INDEX_TRIAL_FIELDS: readonly (ArrowField & { readonly name: keyof IndexTrialRow })[] =
  [
    ...TEXTS.map((name) => ({ name, type: "utf8" }) as const),
    ...COUNTS.map((name) => ({ name, type: "int32" }) as const),
    ...NUMBERS.map((name) =>
      ({ name, type: "float64", nullable: name === "scannedShare" }) as const
    ),
  ];

/**
 * Adds rows to an Arrow IPC stream file, or makes it.
 *
 * @throws {TypeError} when the file is something else; it is not touched
 */
export async function writeIndexTrials(
  path: string,
  rows: readonly IndexTrialRow[],
): Promise<void> {
  using file = await ArrowStream.open(path, INDEX_TRIAL_FIELDS);
  await file.append(rows as unknown as readonly ArrowRow[]);
}

/**
 * The rows of such a file.
 *
 * @throws {TypeError} when the file is something else
 */
export async function readIndexTrials(path: string): Promise<IndexTrialRow[]> {
  return [...await readArrowRows(path, INDEX_TRIAL_FIELDS)] as unknown as IndexTrialRow[];
}
