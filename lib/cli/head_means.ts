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

/** A column of means. */
export function meanColumn<Row>(
  title: string,
  value: (row: Row) => number,
  text: (mean: number) => string = percent,
): Column<HeadGroup<Row>> {
  return { title, align: "right", cell: (group) => text(headMean(group, value)) };
}

/** A column of the shares that the heads with the least have. */
export function leastColumn<Row>(
  title: string,
  share: (row: Row) => number,
): Column<HeadGroup<Row>> {
  const cell = ({ rows }: HeadGroup<Row>) => percent(Math.min(...rows.map(share)));
  return { title, align: "right", cell };
}
