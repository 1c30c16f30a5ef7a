/** Whole models as a table, and how it is to be read. */
import { tokensText } from "../bench_case.ts";
import { ceilingText, msText, rateText, type ReportColumn, spreadText, times } from "../report.ts";
import { GENERATED } from "./model_case.ts";
import type { ModelRow } from "./models_result.ts";

/** A choice of ours may be so far below the other program's best: both round differently. */
const CREDIBLE_GAP = 1;

/** Columns of the table. */
export const MODEL_COLUMNS: readonly ReportColumn<ModelRow>[] = [
  { title: "model", align: "left", cell: ({ model }) => model },
  { title: "task", align: "left", cell: ({ task, tokens }) => `${task} ${tokensText(tokens)}` },
  { title: "tok/s", align: "right", cell: (row) => speedText(row, row.ms.median) },
  { title: "median", align: "right", cell: ({ ms }) => msText(ms.median) },
  { title: "spread", align: "right", cell: ({ ms }) => spreadText(ms) },
  { title: "rate", align: "right", cell: rateText },
  { title: "share of its ceiling", align: "left", cell: ceilingText },
  { title: "llama.cpp tok/s", align: "right", cell: peerText },
  { title: "vs llama.cpp", align: "right", cell: ratioText },
  { title: "same tokens", align: "right", cell: agreementText },
];

/** How the table is to be read. */
export function modelLegend(rows: readonly ModelRow[]): string {
  const fewest = Math.min(...rows.map(({ ms }) => ms.count));
  return `prefill: tokens of a text, read by a session with its defaults (dense attention, keys and values as bf16) until ` +
    `the token that follows is chosen. decode: each of the ${GENERATED} tokens behind it, chosen greedily. ` +
    "llama.cpp reads and decodes the same ids of the same file, with flash attention, keys and values as f16, and " +
    "as many threads, and chooses none; both in turn. Medians of at least " +
    `${fewest} ${
      fewest === 1 ? "repetition" : "repetitions"
    }; below 1: ours is slower. Ceilings: the matrices as stored ` +
    "and the keys and values that are seen, read at the rate of their size; or all products at the peak; their share is " +
    "that of the fastest repetition. same tokens: choices that are llama.cpp's, too, " +
    "and how far the others' logits are below its best at most.";
}

/** What one must know to believe the rows, a line each. */
export function modelRemarks(rows: readonly ModelRow[]): string[] {
  const stretched = rows.filter(({ contextLength, tokens }) => tokens > (contextLength ?? tokens));
  const apart = rows.filter(({ agreement }) => (agreement?.widestGap ?? 0) > CREDIBLE_GAP);
  const lines = [
    ...stretched.map(({ model, contextLength }) =>
      `${model} was made for ${
        tokensText(contextLength!)
      } tokens: what it says behind more is not looked at`
    ),
    ...apart.map((row) =>
      `Not to be trusted: ${row.model} at ${
        tokensText(row.tokens)
      } tokens does not choose what llama.cpp does: ` +
      agreementText(row)
    ),
  ];
  return [...new Set(lines)];
}

function speedText({ task, tokens }: ModelRow, ms: number): string {
  const speed = (task === "prefill" ? tokens : 1) * 1000 / ms;
  return speed >= 1000 ? speed.toFixed(0) : `${Number(speed.toPrecision(3))}`;
}

function peerText(row: ModelRow): string {
  const ms = row.beside[0]?.ms;
  return ms ? speedText(row, ms.median) : "-";
}

function ratioText({ beside }: ModelRow): string {
  const ratio = beside[0]?.ratio ?? null;
  return ratio === null ? "-" : times(ratio);
}

function agreementText({ agreement }: ModelRow): string {
  if (agreement === null) return "-";
  const { same, of, widestGap } = agreement;
  return `${same} of ${of}${same === of ? "" : `, ${widestGap.toPrecision(2)}`}`;
}
