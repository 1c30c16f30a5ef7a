/** A row of attention as a chart. */
import { chart } from "../draw/chart.ts";
import type { Picture } from "../figure.ts";
import { gridHover } from "../draw/grid_hover.ts";
import { shortNumber } from "../draw/number_text.ts";
import type { BinnedRow, Span, TopSpan } from "./row_data.ts";
import { rangeOf } from "../draw/scale.ts";
import { sheet } from "../draw/sheet.ts";
import { labelWidth, type PlacedLabel, placeLabels } from "./row_labels.ts";
import { element, label } from "../draw/svg.ts";
import { rangeText, tokenTicks } from "../draw/token_axis.ts";
import { isolated, shortToken } from "../draw/token_text.ts";

/** A row and how it is to be drawn. */
export interface RowDrawing {
  /** The row. */
  readonly row: BinnedRow;
  /** Keys to label. */
  readonly named: readonly TopSpan[];
  /** Keys that were attended. */
  readonly spans: readonly Span[];
  /** Axis of the weights. */
  readonly scale: "log" | "sqrt" | "linear";
  /** Text of each key token. */
  readonly tokens: readonly string[] | undefined;
  /** Height of the plot. */
  readonly height: number;
  /** Line above. */
  readonly title: string;
  /** Caption. */
  readonly facts: readonly string[];
}

const LEFT = 62;
const RIGHT = 14;
const BOTTOM = 44;
/** Height of a line of labels, and how many there may be. */
const LINE = 13;
const LINES = 4;
/** Decades of a logarithmic axis. */
const DECADES = 5;
/** Okabe and Ito's light and dark blue, and orange. */
const [LIGHT, DARK, RUG] = ["#56b4e9", "#0072b2", "#e69f00"];

/** Where things are, in pixels. */
interface Place {
  /** Width of the axis of keys. */
  readonly span: number;
  /** Top of the plot. */
  readonly top: number;
  /** Bottom of the plot. */
  readonly base: number;
  /** Labels that found room. */
  readonly labels: readonly PlacedLabel[];
}

/** Draws a row. */
export async function drawRow(drawing: RowDrawing, width: number): Promise<Picture> {
  const { title, facts, row } = drawing;
  const place = placeOf(drawing, width);
  const body = await chart((plot) => ({
    width,
    height: place.base + BOTTOM,
    marginLeft: LEFT,
    marginRight: RIGHT,
    marginTop: place.top,
    marginBottom: BOTTOM,
    x: { domain: [0, row.axis.tokens], axis: null },
    y: {
      type: drawing.scale,
      domain: weightDomain(drawing),
      clamp: true,
      grid: true,
      label: null,
      ticks: drawing.scale === "log" ? DECADES : 4,
      tickFormat: String,
    },
    marks: [
      plot.rectY(bars(drawing, row.max), { ...SIDES, fill: isPooled(row) ? LIGHT! : DARK! }),
      plot.rectY(isPooled(row) ? bars(drawing, row.mean) : [], { ...SIDES, fill: DARK! }),
    ],
  }), (svg) => svg.insertAdjacentHTML("beforeend", furniture(drawing, place)));
  const left = drawing.named.length - place.labels.length;
  const more = left > 0 ? [`${left} of the ${drawing.named.length} largest have no room`] : [];
  const svg = await sheet({ title, body, facts: [...facts, ...more], width });
  return { svg, script: hover(drawing) };
}

const SIDES = { x1: "x1", x2: "x2", y1: "y1", y2: "y2", inset: 0 };

function placeOf({ named, tokens, row: { axis }, height }: RowDrawing, width: number): Place {
  const span = width - LEFT - RIGHT;
  const wanted = named.toSorted((a, b) => b.sum - a.sum).map((top) => ({
    text: nameOf(top, tokens),
    x: LEFT + (top.start + top.end) / 2 / axis.tokens * span,
  }));
  const labels = placeLabels(wanted, { left: 16, right: width, lines: LINES });
  const lines = 1 + Math.max(-1, ...labels.map(({ line }) => line));
  const top = 10 + LINE * lines;
  return { span, top, base: top + height, labels };
}

function nameOf({ start, end, sum }: TopSpan, tokens: readonly string[] | undefined): string {
  const text = tokens ? `${isolated(shortToken(tokens.slice(start, end).join(""), 14))} ` : "";
  return `${text}${rangeText(start, end - 1)}: ${shortNumber(sum)}`;
}

function isPooled({ axis }: BinnedRow): boolean {
  return axis.bins < axis.tokens;
}

function weightDomain({ row, scale }: RowDrawing): [number, number] {
  const [, most] = rangeOf(row.max);
  const top = most > 0 ? most : 1;
  return [scale === "log" ? top / 10 ** DECADES : 0, top];
}

/** Bars of the bins that have any weight that the axis shows. */
function bars(drawing: RowDrawing, weights: Float64Array) {
  const { row: { axis } } = drawing;
  const [floor] = weightDomain(drawing);
  return Array.from(weights, (weight, bin) => ({
    x1: axis.firstOf(bin),
    x2: axis.firstOf(bin + 1),
    y1: floor,
    y2: weight,
  })).filter(({ y2 }) => y2 > floor);
}

/** Axes, labels of the largest weights, the rug, and what the pointer meets. */
function furniture(drawing: RowDrawing, { span, top, base, labels }: Place): string {
  const middle = `translate(12,${((top + base) / 2).toFixed(1)}) rotate(-90)`;
  const box = { x: LEFT, y: top, width: span, height: base - top + 8 };
  return keyAxis(drawing.row.axis.tokens, span, base) + rug(drawing, span, base + 2) +
    label(`weight (${drawing.scale})`, { "text-anchor": "middle", transform: middle }) +
    labels.map((one) => labelMarkup(one, top)).join("") +
    element("rect", { class: "ll-grid", ...box, fill: "none", "pointer-events": "all" });
}

function keyAxis(tokens: number, span: number, base: number): string {
  const ticks = tokenTicks(tokens, span / 80).map(({ at, text }) => {
    const x = LEFT + at * span;
    return rule(x, base + 8, x, base + 12) +
      label(text, { x, y: base + 23, "text-anchor": "middle" });
  });
  return rule(LEFT, base, LEFT + span, base) + ticks.join("") +
    label("key (token)", { x: LEFT + span / 2, y: base + 39, "text-anchor": "middle" });
}

/** What was attended; nothing where that is all. */
function rug({ spans, row: { axis } }: RowDrawing, width: number, y: number): string {
  if (spans.length === 1 && spans[0]![0] === 0 && spans[0]![1] === axis.tokens) return "";
  const steps = spans.map(([start, end]) => {
    const from = LEFT + start / axis.tokens * width;
    const length = Math.max(0.5, (end - start) / axis.tokens * width);
    return `M${from.toFixed(1)},${y}h${length.toFixed(1)}v4h-${length.toFixed(1)}z`;
  });
  return element("path", { class: "ll-rug", d: [...new Set(steps)].join(""), fill: RUG });
}

function labelMarkup({ text, x, left, line }: PlacedLabel, top: number): string {
  const y = top - 8 - line * LINE;
  const end = left + labelWidth(text);
  const beside = x < left || x > end;
  return rule(x, beside ? y - 8 : y + 3, x, top, 0.45) +
    label(text, { ...anchor(x, left, end), y });
}

/** Keeps a text that is narrower than thought near its rule. */
function anchor(x: number, left: number, end: number) {
  if (x < left) return { x: left, "text-anchor": "start" };
  if (x > end) return { x: end, "text-anchor": "end" };
  return { x: (left + end) / 2, "text-anchor": "middle" };
}

function rule(x1: number, y1: number, x2: number, y2: number, opacity?: number): string {
  return element("line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-opacity": opacity });
}

function hover({ row, tokens }: RowDrawing): string {
  const columns = Array.from(row.max, (_, bin) => {
    const [first, end] = [row.axis.firstOf(bin), row.axis.firstOf(bin + 1)];
    const text = tokens ? ` ${shortToken(tokens.slice(first, end).join(""), 24)}` : "";
    return `key ${rangeText(first, end - 1)}${text}`;
  });
  const rows = [isPooled(row) ? "largest weight of the bin" : "weight"];
  return gridHover({ rows, columns, values: row.max, measure: "weight" });
}
