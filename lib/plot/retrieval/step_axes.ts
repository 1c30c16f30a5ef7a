/** Axes of maps of steps by positions. */
import type { BinAxis } from "../draw/bins.ts";
import type { ChartOptions } from "../draw/chart.ts";
import { grouped } from "../draw/number_text.ts";
import { binText, tokenTicks } from "../draw/token_axis.ts";
import { shortToken } from "../draw/token_text.ts";
import type { StepRow } from "./step_rows.ts";

const ROW = { highest: 16, lowest: 4, room: 480 };
const TOKEN_CHARACTERS = 10;
/** Height that a text in a row takes. */
export const TOLD_HEIGHT = 11;

/** Height of a row in whole pixels. */
export function rowHeight(rows: readonly StepRow[]): number {
  return Math.max(ROW.lowest, Math.min(ROW.highest, Math.floor(ROW.room / rows.length)));
}

/** The scale of the rows, without texts. */
export function rowScale(rows: readonly StepRow[]): NonNullable<ChartOptions["y"]> {
  return { type: "band", domain: [...rows.keys()], padding: 0, label: null };
}

/** The scale of the rows, with the texts of as many tokens as have room. */
export function tokenScale(rows: readonly StepRow[]): NonNullable<ChartOptions["y"]> {
  const step = Math.ceil(TOLD_HEIGHT / rowHeight(rows));
  return {
    ...rowScale(rows),
    ticks: [...rows.keys()].filter((row) => row % step === 0),
    tickFormat: (row: number) => shortToken(rows[row]!.tokens[0]!, TOKEN_CHARACTERS),
    tickSize: 3,
  };
}

/** The scale of the positions. */
export function positionScale(axis: BinAxis, wide: number): NonNullable<ChartOptions["x"]> {
  return {
    type: "linear",
    domain: [0, axis.tokens],
    ticks: tokenTicks(axis.tokens, wide / 60).map(({ token }) => token),
    tickFormat: grouped,
    tickSize: 3,
    label: ["position (token", binText(axis)].filter((part) => part).join("; ") + ")",
    labelArrow: "none",
    labelAnchor: "center",
  };
}
