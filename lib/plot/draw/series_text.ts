/** What is said of series of points. */
import { fromTo, grouped } from "./number_text.ts";

/** A figure of series as one text. */
export function seriesText<Series extends { readonly name: string }>(
  title: string,
  series: readonly Series[],
  factOf: (series: Series) => string,
  facts: readonly string[] = [],
): string {
  const told = series.map((one) => `${one.name} ${factOf(one)}`).join("; ");
  return [`${title}: ${told}`, ...facts].join("; ");
}

/** How many heads a point stands for. */
export function headsFact(heads: readonly number[]): string {
  const most = Math.max(...heads);
  return `${fromTo(Math.min(...heads), most)} ${most === 1 ? "head" : "heads"} a point`;
}

/** What was left out, if anything was. */
export function unknownFacts(unknown: number, what: string): string[] {
  return unknown > 0 ? [`not known and left out: ${grouped(unknown)} of the ${what}`] : [];
}
