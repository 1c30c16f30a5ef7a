import type { Task, TaskCase } from "../task.ts";
import { readJsonLines } from "./json_lines.ts";

/** A row of the key-value retrieval of "Lost in the Middle" (Liu et al. 2023, arXiv 2307.03172). */
export interface KeyValueRow {
  /** All keys and values, in the order of the prompt. */
  readonly ordered_kv_records: readonly (readonly [key: string, value: string])[];
  /** The key that is asked for. */
  readonly key: string;
  /** Its value. */
  readonly value: string;
}

/** A UUID takes up to 36 tokens, and quotes come with it. */
const MAX_TOKENS = 48;

/**
 * The rows of a file of "Lost in the Middle" as a task named `kv-` and the number of pairs; `null` where there is no
 * such file.
 *
 * @throws {TypeError} when a line is no row
 */
export async function readKeyValues(path: string): Promise<Task | null> {
  const values = await readJsonLines(path);
  if (values === null) return null;
  return keyValuesTask(values.map((value, at) => checked(value, `${path}, row ${at}`)));
}

/** Such rows as a task. */
export function keyValuesTask(rows: readonly KeyValueRow[]): Task {
  const name = `kv-${rows[0]?.ordered_kv_records.length ?? 0}`;
  return {
    name,
    cases: rows.length,
    questions: () => 1,
    make: ({ index }) => caseOf(rows[index]!, name),
  };
}

/** The prompt is that of the paper's repository. */
function caseOf(row: KeyValueRow, kind: string): TaskCase {
  const { ordered_kv_records: records, key, value } = row;
  const pairs = records.map(([key, value]) => `"${key}": "${value}"`).join(",\n ");
  const place = records.findIndex(([other]) => other === key);
  const depth = (place + 0.5) / records.length;
  return {
    context: "Extract the value corresponding to the specified key in the JSON object below.\n\n" +
      `JSON data:\n{${pairs}}\n`,
    questions: [{
      text: `\nKey: "${key}"\nCorresponding value:`,
      template: null,
      values: [value],
      match: "share",
      maxTokens: MAX_TOKENS,
      depth,
      placed: depth,
      kind,
    }],
  };
}

function checked(value: unknown, where: string): KeyValueRow {
  const row = (value ?? {}) as KeyValueRow;
  const texts = (list: unknown) =>
    Array.isArray(list) && list.length === 2 && list.every((text) => typeof text === "string");
  const right = Array.isArray(row.ordered_kv_records) && row.ordered_kv_records.every(texts) &&
    row.ordered_kv_records.some(([key, value]) => key === row.key && value === row.value);
  if (right) return row;
  throw new TypeError(
    `Cannot read ${where} as it must hold ordered_kv_records with the pair of key and value`,
  );
}
