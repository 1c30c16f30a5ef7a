/** A shaded text as HTML: it wraps, folds and changes its score without script. */
import { escapeText } from "../draw/escape.ts";
import { foldText } from "./heat_runs.ts";
import { type Shade, shadeLevel } from "./heat_shade.ts";
import type { Heat, HeatRun, Metric } from "./heat_types.ts";
import { grouped, shortNumber } from "../draw/number_text.ts";
import { MONOSPACE } from "../draw/svg.ts";
import { visibleToken } from "../draw/token_text.ts";

/** Tokens of a folded run whose text is kept: as many at its start and at its end. */
const FOLDED = 1000;

/** How the shades are named: figures with the same looks share their rules. */
export interface HeatLooks {
  /** Name of the colours. */
  readonly name: string;
  /** The looks. */
  readonly shades: readonly Shade[];
}

/** The text with its scores. The form keeps the choice of one figure apart from those of others. */
export function heatHtml(heat: Heat, { name, shades }: HeatLooks, width: number): string {
  const scope = `ll-heat-${name}-${heat.metrics.length}`;
  const text = heat.runs.map((run) => run.open ? openRun(run, heat) : foldedRun(run, heat));
  return `<form class="ll-heat ${scope}" method="dialog" style="max-width:${width}px">` +
    `<style>${styleOf(scope, heat.metrics.length, shades)}</style>` +
    `<div class="ll-title">${escapeText(heat.title)}</div>` +
    heat.metrics.map((metric, i) => keyOf(metric, i, heat.metrics.length)).join("") +
    `<div class="ll-text" dir="ltr">${text.join("")}</div>` +
    `<div class="ll-facts">${escapeText(heat.facts.join(" \u00b7 "))}</div></form>`;
}

function styleOf(scope: string, metrics: number, shades: readonly Shade[]): string {
  const looks = Array.from({ length: metrics }, (_, metric) => {
    const chosen = metrics === 1 ? "" : `:has(.ll-score-${metric}:checked)`;
    return shades.map((shade, level) =>
      level === 0 ? "" : `.${scope}${chosen} .${className(metric, level)}{${declarations(shade)}}`
    ).join("");
  });
  return `.${scope} .ll-title{font-weight:600;font-size:13px}` +
    `.${scope} .ll-text{margin:6px 0;font:12px/1.9 ${MONOSPACE};overflow-wrap:anywhere}` +
    `.${scope} bdi{padding:1px 0 3px}.${scope} .ll-key bdi{padding:1px 4px 3px}` +
    `.${scope} summary{cursor:pointer}.${scope} .ll-facts,.${scope} summary{opacity:.75}` +
    looks.join("");
}

/** A look as CSS; of one that is not that of the page. */
export function declarations({ background, opacity, text, underline }: Shade): string {
  const colour = background!.replace("rgb(", "rgba(").replace(")", `,${opacity.toFixed(2)})`);
  return `background:${colour};box-shadow:inset 0 -${underline}px currentColor` +
    (text ? `;color:${text}` : "");
}

function className(metric: number, level: number): string {
  return `s${metric}-${level}`;
}

/** What the shades of a score stand for, and its button where there are several. */
function keyOf(metric: Metric, index: number, metrics: number): string {
  const { name, scale } = metric;
  const chips = [0, 0.25, 0.5, 0.75, 1].map((ink) =>
    `<bdi class="${className(index, shadeLevel(ink))}">${shortNumber(scale.value(ink))}</bdi>`
  );
  const button = metrics === 1
    ? escapeText(name)
    : `<label><input type="radio" name="score" class="ll-score-${index}"${
      index === 0 ? " checked" : ""
    }> ${escapeText(name)}</label>`;
  return `<div class="ll-key">${button} ${chips.join("")}</div>`;
}

function openRun({ start, end }: HeatRun, heat: Heat): string {
  let html = "";
  for (let token = start; token < end; token++) html += tokenHtml(token, heat);
  return `<div>${html}</div>`;
}

function tokenHtml(token: number, { tokens, metrics }: Heat): string {
  const text = tokens[token]!;
  const classes = metrics.map(({ values, scale }, i) => [i, shadeLevel(scale.ink(values[token]!))])
    .filter(([, level]) => level! > 0).map(([i, level]) => className(i!, level!));
  const title = [
    grouped(token),
    ...metrics.map(({ name, values }) => `${name} ${shortNumber(values[token]!)}`),
  ];
  const look = classes.length > 0 ? ` class="${classes.join(" ")}"` : "";
  const shown = `<bdi${look} title="${escapeText(title.join(" \u00b7 "))}">${
    escapeText(visibleToken(text))
  }</bdi>`;
  return `${/^\s/.test(text) ? "<wbr>" : ""}${shown}${text.endsWith("\n") ? "<br>" : ""}`;
}

/** Folded tokens as plain text: their scores are small, and there may be very many. */
function foldedRun(run: HeatRun, { tokens, metrics }: Heat): string {
  const { start, end } = run;
  const cut = end - start > 2 * FOLDED;
  const text = (from: number, to: number) =>
    `<bdi>${
      escapeText(
        tokens.slice(from, to).map((text) => visibleToken(text).replaceAll("\u00b7", " ")).join(""),
      )
    }</bdi>`;
  const body = cut
    ? `${text(start, start + FOLDED)} \u2026 ${text(end - FOLDED, end)}`
    : text(start, end);
  return `<details><summary>${escapeText(foldText(run, metrics))}</summary>${body}</details>`;
}
