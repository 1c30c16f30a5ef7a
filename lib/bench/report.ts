/** A result as a table and as sentences below it. */
import { nameOf } from "./cases.ts";
import { sizeText } from "./ceilings.ts";
import type { BenchRow, Beside, RunHead } from "./result.ts";
import type { Spread } from "./statistics.ts";

/** Name of our own dense kernel beside a sparse one. */
const DENSE = "dense";
/** Skipped cases with the same reason that are named one by one. */
const FEW = 3;
/** Share of the cores that other programs may keep busy. */
const QUIET = 0.2;
/** Share of its ceiling that a row may reach: both were measured in different moments. */
const CREDIBLE = 1.1;

/** What every row has, whatever was measured. */
export type MeasuredRow = Pick<BenchRow, "flops" | "trafficBytes" | "ms" | "limit" | "beside">;

/** A run with its rows. */
export type ReportedRun = RunHead & { readonly rows: readonly MeasuredRow[] };

/** A column of a table of rows. */
export interface ReportColumn<Row = BenchRow> {
  /** Its heading. */
  readonly title: string;
  /** Side that texts are aligned to. */
  readonly align: "left" | "right";
  /** Text of a cell. */
  readonly cell: (row: Row) => string;
}

/** Columns of the table of kernels. */
export const KERNEL_COLUMNS: readonly ReportColumn[] = [
  { title: "kernel and shape", align: "left", cell: nameOf },
  { title: "median", align: "right", cell: ({ ms }) => msText(ms.median) },
  { title: "spread", align: "right", cell: ({ ms }) => spreadText(ms) },
  { title: "rate", align: "right", cell: rateText },
  { title: "share of its ceiling", align: "left", cell: ceilingText },
  { title: "vs dense or best peer", align: "left", cell: (row) => besideText(row, closestOf(row)) },
];

/** Rows that were measured beside a peer. */
export function comparedRows(rows: readonly BenchRow[]): BenchRow[] {
  return rows.filter((row) => peersOf(row).length > 0);
}

/** Columns of the table of such rows: one for each peer that was measured. */
export function peerColumnsFor(rows: readonly BenchRow[]): ReportColumn[] {
  const names = [...new Set(rows.flatMap(peersOf).map(({ name }) => name))];
  return [
    { title: "kernel and shape", align: "left", cell: nameOf },
    ...names.map((name): ReportColumn => ({
      title: `vs ${shortName(name)}`,
      align: "right",
      cell: (row) => {
        const peer = peersOf(row).find((one) => one.name === name);
        return peer ? `${times(peer.ratio)} ${peer.dtype}` : "-";
      },
    })),
  ];
}

/** First word of a peer's name, and the initials of a second one that is written as `GroupQueryAttention`. */
export function shortName(name: string): string {
  const [first = "", second = ""] = name.split(" ");
  const initials = second.replaceAll(/[^A-Z]/g, "");
  return initials === "" ? first : `${first} ${initials}`;
}

/** Share of its ceiling that a row's fastest repetition reaches: a ceiling is the fastest of its own, too. */
export function shareOfCeiling({ ms, limit }: MeasuredRow): number {
  return limit.ms / ms.least;
}

/** How the tables are to be read, in sentences. */
export function legend(rows: readonly BenchRow[]): string {
  const fewest = Math.min(...rows.map(({ ms }) => ms.count));
  return `Median of repetitions, at least ${fewest} of each; spread: half the range of the middle half. The ceiling is what takes\n` +
    "longer: to read at the rate of the working set's size, or to multiply at the peak; its share is that of the fastest\n" +
    "repetition, as rate and peak are those of the fastest. vs: how many times faster ours is than what was measured\n" +
    "beside it in the same run, on the same problem and threads, and the type that was given to it. Sparse kernels:\n" +
    "than dense of ours, and in brackets the time by the share of dense that is computed (1.00 is ideal).";
}

/** What one must know to believe a result, and what was not measured and why, a line each. */
export function remarks(result: ReportedRun): string[] {
  const { peers, rows, finished } = result;
  const notes = rows.flatMap(({ beside }) => beside).filter(({ note }) => note !== null);
  const groups = Map.groupBy(
    notes,
    ({ name, ms, note }) => `${name}, ${ms ? "measured" : "not measured"}: ${note}`,
  );
  return [
    ...peers.map(({ name, version, missing }) =>
      missing === null ? comparedText(name, version!) : `Not there: ${name}: ${missing}`
    ),
    ...[...groups].map(([text, of]) => `${text} (${of.length} of ${rows.length} rows)`),
    ...skippedLines(result),
    ...doubts(result),
    ...(finished ? [] : ["The run was stopped before its end"]),
  ];
}

function comparedText(name: string, version: string): string {
  const short = shortName(name);
  return `Compared with ${name} ${version}${short === name ? "" : `, here ${short}`}`;
}

/** Cases by why they were skipped, numbers aside; of many with the same reason only the first. */
function skippedLines({ skipped }: RunHead): string[] {
  const reasons = Map.groupBy(skipped, ({ reason }) => reason.replaceAll(/\d[\d.e+]*/g, "#"));
  return [...reasons.values()].flatMap((cases) => {
    const lines = cases.map(({ name, reason }) => `${name}: ${reason}`);
    return lines.length > FEW
      ? [`Skipped ${lines.length} cases such as ${lines[0]} (--json FILE lists them)`]
      : lines.map((line) => `Skipped: ${line}`);
  });
}

/** Signs that something else used the machine. */
function doubts({ rows, loadBefore, machine: { cores } }: ReportedRun): string[] {
  const above = rows.filter((row) => shareOfCeiling(row) > CREDIBLE).length;
  const load = loadBefore.toFixed(1);
  return [
    ...(loadBefore > QUIET * cores
      ? [
        `Not to be trusted: the load by other programs was ${load} on ${cores} cores before the run`,
      ]
      : []),
    ...(above > 0
      ? [
        `Not to be trusted: ${above} of ${rows.length} rows are above their ceiling, so something slowed it`,
      ]
      : []),
  ];
}

/** The measured ceilings, a line each. */
export function ceilingLines({ ceilings, machine }: RunHead): string[] {
  if (!ceilings) return [];
  const counts = [...new Set([1, machine.threads])];
  const lines = counts.flatMap((threads) => {
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
  const { emptyCallMs } = ceilings;
  return emptyCallMs === null
    ? lines
    : [...lines, `A call that computes next to nothing: ${msText(emptyCallMs)}`];
}

/** Half the range of the middle half. */
export function spreadText({ median, low, high }: Spread): string {
  const share = (high - low) / 2 / median;
  return `\u00b1${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/** What it computes or reads in a second, whichever limits it. */
export function rateText({ flops, trafficBytes, ms, limit }: MeasuredRow): string {
  const amount = limit.unit === "GFLOP/s" ? flops : trafficBytes;
  return `${(amount / ms.median / 1e6).toPrecision(3)} ${limit.unit}`;
}

/** Share of its ceiling, and its name. */
export function ceilingText(row: MeasuredRow): string {
  const { name } = row.limit;
  return `${percent(shareOfCeiling(row)).padStart(5)} ${name}`;
}

type Measured = Beside & { readonly ratio: number };

function isMeasured(beside: Beside): beside is Measured {
  return beside.ratio !== null;
}

function peersOf({ beside }: BenchRow): Measured[] {
  return beside.filter(isMeasured).filter(({ name }) => name !== DENSE);
}

/** What is fastest beside a row. */
function closestOf({ beside }: BenchRow): Measured | undefined {
  return beside.filter(isMeasured).sort((a, b) => a.ratio - b.ratio)[0];
}

function besideText({ share }: BenchRow, beside: Measured | undefined): string {
  if (beside === undefined) return "";
  const { name, dtype, ratio } = beside;
  const what = name === DENSE
    ? `dense${share < 1 ? ` (${(1 / ratio / share).toFixed(2)})` : ""}`
    : `${shortName(name)} ${dtype}`;
  return `${times(ratio).padStart(5)} ${what}`;
}

/** How many times faster. */
export function times(ratio: number): string {
  return `${ratio < 9.95 ? ratio.toFixed(2) : ratio.toFixed(1)}x`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** Milliseconds for people. */
export function msText(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toPrecision(3)} s` : `${Number(ms.toPrecision(3))} ms`;
}
