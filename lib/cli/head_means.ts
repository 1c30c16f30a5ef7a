/** Columns of tables whose lines are means over heads. */
import { percent } from "./format.ts";
import type { Column } from "./table.ts";

/** The heads of a line. */
export interface HeadGroup<Row> {
  /** What they have in common. */
  readonly name: string;
  /** A row for each head. */
  readonly rows: readonly Row[];
}

/** The mean over heads. */
export function headMean<Row>({ rows }: HeadGroup<Row>, value: (row: Row) => number): number {
  return rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
}

/** A column of means; a mean of what is not known is unknown. */
export function meanColumn<Row>(
  title: string,
  value: (row: Row) => number,
  text: (mean: number) => string = percent,
): Column<HeadGroup<Row>> {
  const cell = (group: HeadGroup<Row>) => {
    const mean = headMean(group, value);
    return Number.isNaN(mean) ? "unknown" : text(mean);
  };
  return { title, align: "right", cell };
}

/** A column of the shares that the heads with the least have. */
export function leastColumn<Row>(
  title: string,
  share: (row: Row) => number,
): Column<HeadGroup<Row>> {
  const cell = ({ rows }: HeadGroup<Row>) => percent(Math.min(...rows.map(share)));
  return { title, align: "right", cell };
}
