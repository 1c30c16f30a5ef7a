/** Results as rows of an Arrow table: one for our kernel, one for each thing beside it. */
import type { ArrowField, ArrowRow } from "../trace/arrow_stream.ts";
import { shareOfCeiling } from "./report.ts";
import type { BenchRow } from "./result.ts";
import type { Spread } from "./statistics.ts";

/** Columns of stored rows. */
export const BENCH_FIELDS: readonly ArrowField[] = [
  { name: "startedAt", type: "utf8" },
  { name: "kernel", type: "utf8" },
  { name: "shape", type: "utf8" },
  { name: "tokens", type: "int32" },
  { name: "heads", type: "int32" },
  { name: "kvHeads", type: "int32" },
  { name: "dim", type: "int32" },
  { name: "share", type: "float64" },
  { name: "flops", type: "float64" },
  { name: "trafficBytes", type: "float64" },
  { name: "program", type: "utf8" },
  { name: "dtype", type: "utf8" },
  { name: "repetitions", type: "int32", nullable: true },
  { name: "medianMs", type: "float64", nullable: true },
  { name: "lowMs", type: "float64", nullable: true },
  { name: "highMs", type: "float64", nullable: true },
  { name: "leastMs", type: "float64", nullable: true },
  { name: "ceiling", type: "utf8", nullable: true },
  { name: "shareOfCeiling", type: "float64", nullable: true },
  { name: "timesFaster", type: "float64", nullable: true },
  { name: "note", type: "utf8", nullable: true },
];

/** Rows of a case; `startedAt` tells the runs in a file apart. */
export function tableRows(row: BenchRow, startedAt: string): ArrowRow[] {
  const { kernel, shape, tokens, heads, kvHeads, dim, share, flops, trafficBytes } = row;
  const common = { startedAt, kernel, shape, tokens, heads, kvHeads, dim, share, flops };
  const own = {
    ...common,
    trafficBytes,
    program: "longlens",
    dtype: row.dtype,
    ...times(row.ms),
    ceiling: row.limit.name,
    shareOfCeiling: shareOfCeiling(row),
    timesFaster: null,
    note: null,
  };
  const others = row.beside.map(({ name, dtype, ms, ratio, note }) => ({
    ...common,
    ...{ trafficBytes, program: name, dtype, ...times(ms), ceiling: null, shareOfCeiling: null },
    ...{ timesFaster: ratio, note },
  }));
  return [own, ...others];
}

function times(ms: Spread | null) {
  return {
    repetitions: ms?.count ?? null,
    medianMs: ms?.median ?? null,
    lowMs: ms?.low ?? null,
    highMs: ms?.high ?? null,
    leastMs: ms?.least ?? null,
  };
}
