/** What the rows of an evaluation say. */
import { type EvalRow, questionText } from "./eval_row.ts";
import { type Difference, type Interval, pairedDifference, wilson } from "./statistics.ts";

/** One method on one task and length. */
export interface SummaryRow {
  /** Name of the task. */
  readonly task: string;
  /** Tokens asked for; 0 where the task's texts have a length of their own. */
  readonly tokensAsked: number;
  /** Tokens of the texts on average. */
  readonly tokens: number;
  /** Where in the text; `null` for all places together. */
  readonly depth: number | null;
  /** Name of the method. */
  readonly method: string;
  /** Its options, as JSON. */
  readonly methodOptions: string;
  /** Questions. */
  readonly questions: number;
  /** Mean score: the share of right answers. */
  readonly share: number;
  /** How sure that is. */
  readonly interval: Interval;
  /** Share minus that of dense attention on the same questions; `null` for dense itself or where it did not run. */
  readonly difference: Difference | null;
  /**
   * Whether dense attention answers too few of the questions for the row to count; `null` where dense attention did
   * not run.
   */
  readonly cannot: boolean | null;
  /** Query-key scores computed to select, as a share of the keys. */
  readonly scannedShare: number;
  /** Keys in the softmaxes, as a share of the keys. */
  readonly attendedShare: number;
  /** Milliseconds a generated token. */
  readonly msPerToken: number;
  /** Bytes of keys and values a fast tier must hold, on average. */
  readonly residentBytes: number;
}

/** Options of {@link summarize}. */
export interface SummaryOptions {
  /**
   * Also divide the questions by where their answer is: into tenths of the text.
   * @default false
   */
  readonly byDepth?: boolean;
  /**
   * Name of the method that the others are compared with.
   * @default "dense"
   */
  readonly reference?: string;
  /**
   * Share that it has to reach for a comparison to count.
   * @default 0.8
   */
  readonly reach?: number;
}

/** Summarizes rows, in the order in which tasks, lengths and methods first occur; depths rise. */
export function summarize(rows: readonly EvalRow[], options: SummaryOptions = {}): SummaryRow[] {
  const { byDepth = false } = options;
  const settings = groups(rows, (row) => JSON.stringify([row.task, row.tokensAsked]));
  if (!byDepth) return settings.flatMap((setting) => compared(setting, null, options));
  return settings.flatMap((setting) =>
    groups(setting.filter(({ depth }) => depth !== null), (row) => `${tenth(row.depth!)}`)
      .sort((a, b) => a[0]!.depth! - b[0]!.depth!)
      .flatMap((placed) => compared(placed, tenth(placed[0]!.depth!), options))
  );
}

/** The methods of one task, length and place. */
function compared(
  rows: readonly EvalRow[],
  depth: number | null,
  { reference = "dense", reach = 0.8 }: SummaryOptions,
): SummaryRow[] {
  const methods = groups(rows, ({ method, methodOptions }) => `${method} ${methodOptions}`);
  const dense = methods.find(([row]) => row!.method === reference);
  const cannot = dense ? mean(dense, "score") < reach : null;
  return methods.map((own) => ({
    task: own[0]!.task,
    tokensAsked: own[0]!.tokensAsked,
    tokens: mean(own, "tokens"),
    depth,
    method: own[0]!.method,
    methodOptions: own[0]!.methodOptions,
    questions: own.length,
    share: mean(own, "score"),
    interval: wilson(sum(own, "score"), own.length),
    difference: dense && dense !== own ? difference(own, dense) : null,
    cannot,
    ...costs(own),
  }));
}

/** Over the questions that both have answered. */
function difference(own: readonly EvalRow[], dense: readonly EvalRow[]): Difference | null {
  const scores = new Map(dense.map((row) => [questionText(row), row.score]));
  const both = own.filter((row) => scores.has(questionText(row)));
  if (both.length === 0) return null;
  return pairedDifference(
    both.map(({ score }) => score),
    both.map((row) => scores.get(questionText(row))!),
  );
}

function costs(rows: readonly EvalRow[]) {
  const tokens = sum(rows, "answerTokens");
  const perToken = (name: "scanned" | "attended" | "keys" | "msPerToken") =>
    rows.reduce((total, row) => total + row[name] * row.answerTokens, 0) / tokens;
  return {
    scannedShare: perToken("scanned") / perToken("keys"),
    attendedShare: perToken("attended") / perToken("keys"),
    msPerToken: perToken("msPerToken"),
    residentBytes: mean(rows, "residentBytes"),
  };
}

type NumberColumn = "score" | "tokens" | "residentBytes" | "answerTokens";

function sum(rows: readonly EvalRow[], name: NumberColumn): number {
  return rows.reduce((total, row) => total + row[name], 0);
}

function mean(rows: readonly EvalRow[], name: NumberColumn): number {
  return sum(rows, name) / rows.length;
}

/** The middle of the tenth of the text in which a depth lies. */
function tenth(depth: number): number {
  return (Math.min(9, Math.floor(depth * 10)) + 0.5) / 10;
}

function groups<Row>(rows: readonly Row[], name: (row: Row) => string): Row[][] {
  return [...Map.groupBy(rows, name).values()];
}
