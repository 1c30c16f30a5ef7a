/** Charts by Observable Plot on jsdom, as SVG text. Both are loaded on the first chart. */
import type * as PlotModule from "@observablehq/plot";
import { xmlOfHtml } from "./escape.ts";

/** Observable Plot. */
export type Plot = typeof PlotModule;

/** What a chart may look like; `document` and `className` are set here. */
export type ChartOptions = PlotModule.PlotOptions;

/** What is used of a drawn element. */
export interface SvgElement {
  /** Sets an attribute. */
  setAttribute(name: string, value: string): void;
  /** First element below that matches. */
  querySelector(selector: string): SvgElement | null;
  /** All elements below that match. */
  querySelectorAll(selector: string): Iterable<SvgElement>;
  /** Adds markup; its texts must have been escaped. */
  insertAdjacentHTML(place: "afterbegin" | "beforeend", markup: string): void;
  /** The element as text. */
  readonly outerHTML: string;
}

let loading: Promise<{ plot: Plot; document: unknown }> | undefined;

/** Loads Plot and an empty document for it, once. */
async function load(): Promise<{ plot: Plot; document: unknown }> {
  const [plot, { JSDOM }] = await Promise.all([import("@observablehq/plot"), import("jsdom")]);
  return { plot, document: new JSDOM("").window.document };
}

/**
 * Draws a chart.
 *
 * @param describe makes the chart's options from Plot
 * @param refine changes the drawn element, for what Plot has no option for
 */
export async function chart(
  describe: (plot: Plot) => ChartOptions,
  refine: (svg: SvgElement) => void = () => {},
): Promise<string> {
  loading ??= load();
  const { plot, document } = await loading;
  const options = { ...describe(plot), document, className: "ll-chart" };
  const svg = plot.plot(options as ChartOptions) as unknown as SvgElement;
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("xmlns:xlink", "http://www.w3.org/1999/xlink");
  refine(svg);
  return xmlOfHtml(svg.outerHTML);
}
