/** A result as a table and as sentences below it. */
import { sizeText } from "./ceilings.ts";
import type { BenchResult, BenchRow, Beside } from "./result.ts";

/** Skipped cases with the same reason that are named one by one. */
const FEW = 3;
/** Share of the cores that other programs may keep busy. */
const QUIET = 0.2;
/** Share of its ceiling that a row may reach: both were measured in different moments. */
const CREDIBLE = 1.1;

/** A column of a table of rows. */
export interface ReportColumn {
  /** Its heading. */
  readonly title: string;
  /** Side that texts are aligned to. */
  readonly align: "left" | "right";
  /** Text of a cell. */
  readonly cell: (row: BenchRow) => string;
}

/** The columns that rows need: one for each peer that was measured. */
export function columnsFor(rows: readonly BenchRow[]): ReportColumn[] {
  const measured = rows.flatMap(({ beside }) => beside).filter(({ ratio }) => ratio !== null);
  const names = [...new Set(measured.map(({ name }) => name))];
  return [
    { title: "kernel", align: "left", cell: ({ kernel }) => kernel },
    { title: "shape", align: "left", cell: ({ shape }) => shape },
    { title: "median", align: "right", cell: ({ ms }) => msText(ms.median) },
    { title: "spread", align: "right", cell: spreadText },
    { title: "n", align: "right", cell: ({ ms }) => `${ms.count}` },
    { title: "rate", align: "right", cell: rateText },
    { title: "of ceiling", align: "right", cell: (row) => percent(shareOfCeiling(row)) },
    { title: "ceiling", align: "left", cell: ({ limit }) => limit.name },
    ...names.map((name): ReportColumn => ({
      title: `vs ${name}`,
      align: "right",
      cell: (row) => ratioText(row, row.beside.find((one) => one.name === name)),
    })),
  ];
}

/** Share of its ceiling that a row's median reaches. */
export function shareOfCeiling({ ms, limit }: BenchRow): number {
  return limit.ms / ms.median;
}

/** How the table is to be read, in sentences. */
export function legend(): string {
  return "Median of n repetitions; spread: half the range of the middle half. vs: how many times faster ours is than\n" +
    "what was measured beside it in the same run, in brackets the type it was given where that is another; for\n" +
    "sparse kernels, dense of ours, and in brackets the time by the share of dense that is computed (1.00 is ideal).";
}

/** What one must know to believe a result, and what was not measured and why, a line each. */
export function remarks(result: BenchResult): string[] {
  const { peers, rows, finished } = result;
  const notes = rows.flatMap(({ beside }) => beside).filter(({ note }) => note !== null);
  const groups = Map.groupBy(
    notes,
    ({ name, ms, note }) => `${name}, ${ms ? "measured" : "not measured"}: ${note}`,
  );
  return [
    ...peers.map(({ name, version, missing }) =>
      missing === null ? `Compared with ${name} ${version}` : `Not there: ${name}: ${missing}`
    ),
    ...[...groups].map(([text, of]) => `${text} (${of.length} of ${rows.length} rows)`),
    ...skippedLines(result),
    ...doubts(result),
    ...(finished ? [] : ["The run was stopped before its end"]),
  ];
}

/** Cases by the reason why they were skipped; of many with the same reason only the number. */
function skippedLines({ skipped }: BenchResult): string[] {
  const reasons = Map.groupBy(skipped, ({ reason }) => reason);
  return [...reasons].flatMap(([reason, cases]) =>
    cases.length > FEW
      ? [`Skipped ${cases.length} cases: ${reason} (--json FILE lists them)`]
      : cases.map(({ name }) => `Skipped: ${name}: ${reason}`)
  );
}

/** Signs that something else used the machine. */
function doubts({ rows, loadBefore, machine: { cores } }: BenchResult): string[] {
  const above = rows.filter((row) => shareOfCeiling(row) > CREDIBLE).length;
  const load = loadBefore.toFixed(1);
  return [
    ...(loadBefore > QUIET * cores
      ? [`Not to be trusted: other programs kept ${load} of ${cores} cores busy before the run`]
      : []),
    ...(above > 0
      ? [
        `Not to be trusted: ${above} of ${rows.length} rows are above their ceiling, so something slowed it`,
      ]
      : []),
  ];
}

/** The measured ceilings, a line each. */
export function ceilingLines({ ceilings, machine }: BenchResult): string[] {
  if (!ceilings) return [];
  const counts = [...new Set([1, machine.threads])];
  return counts.flatMap((threads) => {
    const who = `${threads} ${threads === 1 ? "thread" : "threads"}`;
    const peaks = ceilings.peaks.filter((peak) => peak.threads === threads)
      .map(({ unit, gflops }) => `${unit} ${gflops.toFixed(0)}`);
    const reads = ceilings.read.filter((read) => read.threads === threads)
      .map(({ bytes, gbps }) => `${sizeText(bytes)} ${gbps.toFixed(0)}`);
    return [
      `Peaks in GFLOP/s, ${who}: ${peaks.join(", ")}`,
      `Reading in GB/s by working set, ${who}: ${reads.join(", ")}`,
    ];
  });
}

function spreadText({ ms: { median, low, high } }: BenchRow): string {
  const share = (high - low) / 2 / median;
  return `\u00b1${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

function rateText({ flops, trafficBytes, ms, limit }: BenchRow): string {
  const amount = limit.unit === "GFLOP/s" ? flops : trafficBytes;
  return `${(amount / ms.median / 1e6).toPrecision(3)} ${limit.unit}`;
}

function ratioText(row: BenchRow, beside: Beside | undefined): string {
  if (beside === undefined || beside.ratio === null) return "";
  const { name, dtype, ratio } = beside;
  if (name === "dense") return `${times(ratio)} (${(1 / ratio / row.share).toFixed(2)})`;
  return dtype === row.dtype ? times(ratio) : `${times(ratio)} (${dtype})`;
}

function times(ratio: number): string {
  return `${ratio < 9.95 ? ratio.toFixed(2) : ratio.toFixed(1)}x`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function msText(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toPrecision(3)} s` : `${Number(ms.toPrecision(3))} ms`;
}
