import type { ArrowField } from "../trace/arrow_stream.ts";

/** One question, one method, one answer. */
export interface EvalRow {
  /** Name of the model. */
  readonly model: string;
  /** Filler, depths and version of the tasks, as JSON: rows with other ones are answers to other questions. */
  readonly setup: string;
  /** Name of the task. */
  readonly task: string;
  /** Tokens asked for; 0 where the task's texts have a length of their own. */
  readonly tokensAsked: number;
  /** Tokens of the context. */
  readonly tokens: number;
  /** Seed of the run. */
  readonly seed: number;
  /** Which case of the run. */
  readonly index: number;
  /** Which question of the case. */
  readonly question: number;
  /** Kind of what is asked for. */
  readonly kind: string;
  /** Where in the text it is hidden; `null` for answers from several places. */
  readonly depth: number | null;
  /** Name of the method. */
  readonly method: string;
  /** Its options, as JSON. */
  readonly methodOptions: string;
  /** What it answered. */
  readonly answer: string;
  /** What a right answer holds, as a JSON list. */
  readonly expected: string;
  /** How right it is, 0 to 1. */
  readonly score: number;
  /** Whether it is right altogether. */
  readonly right: boolean;
  /** Tokens generated. */
  readonly answerTokens: number;
  /** Query-key scores computed to select, a head and generated token on average. */
  readonly scanned: number;
  /** Keys in the softmax, a head and generated token on average. */
  readonly attended: number;
  /** Keys there were, a generated token on average: the denominator of both. */
  readonly keys: number;
  /** Milliseconds a generated token, on average. */
  readonly msPerToken: number;
  /** Bytes of keys and values a fast tier must hold. */
  readonly residentBytes: number;
}

/** Columns of stored rows. */
export const EVAL_FIELDS: readonly (ArrowField & { readonly name: keyof EvalRow })[] = [
  { name: "model", type: "utf8" },
  { name: "setup", type: "utf8" },
  { name: "task", type: "utf8" },
  { name: "tokensAsked", type: "int32" },
  { name: "tokens", type: "int32" },
  { name: "seed", type: "int32" },
  { name: "index", type: "int32" },
  { name: "question", type: "int32" },
  { name: "kind", type: "utf8" },
  { name: "depth", type: "float64", nullable: true },
  { name: "method", type: "utf8" },
  { name: "methodOptions", type: "utf8" },
  { name: "answer", type: "utf8" },
  { name: "expected", type: "utf8" },
  { name: "score", type: "float64" },
  { name: "right", type: "bool" },
  { name: "answerTokens", type: "int32" },
  { name: "scanned", type: "float64" },
  { name: "attended", type: "float64" },
  { name: "keys", type: "float64" },
  { name: "msPerToken", type: "float64" },
  { name: "residentBytes", type: "float64" },
];

/** What two rows share if and only if they answer the same question by the same method and model. */
export type EvalKey = Pick<
  EvalRow,
  | "model"
  | "setup"
  | "task"
  | "tokensAsked"
  | "seed"
  | "index"
  | "question"
  | "method"
  | "methodOptions"
>;

/** The key as a text. */
export function keyText(key: EvalKey): string {
  return `${questionText(key)}\n${key.method}\n${key.methodOptions}`;
}

/** The part of the key that methods share: by it their answers are paired. */
export function questionText(
  { model, setup, task, tokensAsked, seed, index, question }: EvalKey,
): string {
  return [model, setup, task, tokensAsked, seed, index, question].join("\n");
}
