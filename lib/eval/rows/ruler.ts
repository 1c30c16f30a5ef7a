import type { Task, TaskCase } from "../task.ts";
import { readJsonLines } from "./json_lines.ts";

/** A row of RULER (Hsieh et al. 2024, arXiv 2404.06654). */
export interface RulerRow {
  /** The prompt, with the marks of a chat template. */
  readonly input: string;
  /** What a right answer holds. */
  readonly outputs: readonly string[];
}

/** Tokens an answer may have: enough for RULER's longest with a small vocabulary. */
const MAX_TOKENS = 128;

/** Marks of the Llama 3 template, and what it puts in front of the user's text. */
const SYSTEM = /^(?:<\|begin_of_text\|>)?<\|start_header_id\|>system[\s\S]*?<\|eot_id\|>/;
const MARK = /<\|(?:begin_of_text|eot_id|start_header_id\|>\w+<\|end_header_id)\|>/g;

/**
 * The rows of a RULER file as a task named `ruler-` and the file; `null` where there is no such file. The score of a
 * row is the share of its outputs that the answer contains, as RULER scores.
 *
 * @throws {TypeError} when a line is no row
 */
export async function readRuler(path: string): Promise<Task | null> {
  const values = await readJsonLines(path);
  if (values === null) return null;
  const name = path.split("/").at(-1)!.replace(/\.jsonl(\.gz)?$/, "");
  return rulerTask(
    `ruler-${name}`,
    values.map((value, at) => checked(value, `${path}, row ${at}`)),
  );
}

/** RULER rows as a task. */
export function rulerTask(name: string, rows: readonly RulerRow[]): Task {
  return {
    name,
    cases: rows.length,
    questions: () => 1,
    make: ({ index }) => caseOf(rows[index]!, name),
  };
}

/** The template's marks are left out; the last line of the user's text and the begun answer are the question. */
function caseOf({ input, outputs }: RulerRow, kind: string): TaskCase {
  const text = input.replace(SYSTEM, "");
  const prompt = text.replace(MARK, "");
  const cut = text.replace(/<\|eot_id\|>[\s\S]*$/, "").replace(MARK, "").trimEnd().lastIndexOf(
    "\n",
  );
  const question = {
    text: prompt.slice(cut).trimEnd(),
    template: null,
    values: outputs,
    match: "share",
    maxTokens: MAX_TOKENS,
    stop: [],
    depth: null,
    placed: null,
    kind,
  } as const;
  return { context: prompt.slice(0, cut).trimStart(), questions: [question] };
}

function checked(value: unknown, where: string): RulerRow {
  const { input, outputs } = (value ?? {}) as Partial<RulerRow>;
  const right = typeof input === "string" && Array.isArray(outputs) && outputs.length > 0 &&
    outputs.every((output) => typeof output === "string");
  if (right) return { input, outputs };
  throw new TypeError(
    `Cannot read ${where} as it must hold a text input and a list of texts outputs`,
  );
}
