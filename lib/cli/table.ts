/** A column of a printed table. */
export interface Column<Row> {
  /** Its heading. */
  readonly title: string;
  /** Text of a cell. */
  readonly cell: (row: Row) => string;
  /**
   * Side that texts are aligned to.
   * @default "left"
   */
  readonly align?: "left" | "right";
}

/** Rows as aligned text, headings first, two blanks between columns. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => cell(row))),
  ];
  const widths = columns.map((_, c) => Math.max(...cells.map((line) => line[c]!.length)));
  const lines = cells.map((line) =>
    line.map((text, c) => pad(text, widths[c]!, columns[c]!.align ?? "left")).join("  ").trimEnd()
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return lines.join("\n");
}

function pad(text: string, width: number, align: "left" | "right"): string {
  return align === "left" ? text.padEnd(width) : text.padStart(width);
}
