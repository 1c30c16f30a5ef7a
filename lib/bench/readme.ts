/** The table of a stored result in README. */
import { wrapped } from "../plot/draw/text_lines.ts";
import { machineText } from "./machine.ts";
import { MODEL_COLUMNS, modelLegend } from "./models/models_report.ts";
import type { ModelsResult } from "./models/models_result.ts";
import { comparedRows, KERNEL_COLUMNS, peerColumnsFor, type ReportColumn } from "./report.ts";
import type { BenchResult, BenchRow, RunHead } from "./result.ts";

/** Lines between which the table of kernels stands, and that of models. */
export const README_MARKS = { start: "<!-- bench:start -->", end: "<!-- bench:end -->" } as const;
export const MODEL_MARKS = {
  start: "<!-- bench-models:start -->",
  end: "<!-- bench-models:end -->",
} as const;

/** Where the result lies that README shows. */
export const STORED_RESULT: URL = new URL("result.json", import.meta.url);

/** Columns of a line, as `deno fmt` has them. */
const WIDTH = 100;
/** Before the table of peers. */
const PEERS_TEXT =
  "How many times faster ours is than each of them (below 1: slower), on the same problem and threads, and the type it " +
  "was given, the fastest of those it takes:";

/**
 * A text with the tables of a result between their marks, in place of what stood there; that of models only where there
 * are some.
 *
 * @throws {TypeError} unless both marks of a table stand there once, in order
 */
export function withTable(text: string, result: BenchResult): string {
  const kernels = between(text, README_MARKS, readmeSection(result));
  return result.models === null
    ? kernels
    : between(kernels, MODEL_MARKS, modelsSection(result.models));
}

function between(
  text: string,
  { start, end }: { readonly start: string; readonly end: string },
  section: string,
): string {
  const [before, ...others] = text.split(start);
  const [old, after, ...more] = others.join(start).split(end);
  if (others.length !== 1 || old === undefined || after === undefined || more.length > 0) {
    throw new TypeError(
      `Cannot write the table as ${start} and ${end} must each stand there once, in this order`,
    );
  }
  return `${before}${start}\n\n${section}\n\n${end}${after}`;
}

/** The table of kernels, what it was measured on, and the table of peers. */
export function readmeSection(result: BenchResult): string {
  const kernels = markdownTable(readmeRows(result.rows), KERNEL_COLUMNS);
  const compared = comparedRows(result.rows);
  const peers = compared.length === 0
    ? []
    : [paragraph(PEERS_TEXT), markdownTable(compared, peerColumnsFor(compared))];
  return [kernels, paragraph(measuredOn(result, "deno task bench")), ...peers].join("\n\n");
}

/** The table of whole models, and what it was measured on. */
export function modelsSection(result: ModelsResult): string {
  const { rows } = result;
  return [
    markdownTable(rows, MODEL_COLUMNS),
    paragraph(measuredOn(result, "deno task bench --models")),
    paragraph(modelLegend(rows)),
  ].join("\n\n");
}

function paragraph(text: string): string {
  return wrapped(text, WIDTH).join("\n");
}

function measuredOn({ startedAt, machine, peers }: RunHead, command: string): string {
  const there = peers.filter(({ version }) => version !== null)
    .map(({ name, version }) => `${name} ${version}`);
  const beside = there.length > 0 ? ` Beside it: ${there.join(", ")}.` : "";
  const day = startedAt.slice(0, 10);
  return `Measured on ${day} by \`${command}\`: ${machineText(machine)}.${beside}`;
}

/** Rows of bf16 and int8; of each kernel and kind of heads the longest context. */
export function readmeRows(rows: readonly BenchRow[]): BenchRow[] {
  const kindOf = ({ kernel, dim, heads, kvHeads, dtype, share }: BenchRow) =>
    [kernel, dim, heads, kvHeads, dtype, share.toFixed(2)].join();
  const own = rows.filter(({ dtype }) => dtype !== "f32");
  return own.filter((row) =>
    !own.some((other) => kindOf(other) === kindOf(row) && other.tokens > row.tokens)
  );
}

/** As `deno fmt` writes it. */
function markdownTable<Row>(rows: readonly Row[], columns: readonly ReportColumn<Row>[]): string {
  const cells = [columns.map(({ title }) => title)]
    .concat(rows.map((row) => columns.map(({ cell }) => cell(row).trim().replaceAll("|", "\\|"))));
  const widths = columns.map((_, c) => Math.max(3, ...cells.map((line) => line[c]!.length)));
  const line = (texts: readonly string[]) => `| ${texts.join(" | ")} |`;
  const padded = cells.map((texts) =>
    line(
      texts.map((text, c) =>
        columns[c]!.align === "left" ? text.padEnd(widths[c]!) : text.padStart(widths[c]!)
      ),
    )
  );
  const rule = line(
    widths.map((width, c) =>
      columns[c]!.align === "left" ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
    ),
  );
  return [padded[0]!, rule, ...padded.slice(1)].join("\n");
}
