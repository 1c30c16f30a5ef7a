/** A live panel as HTML: text that wraps, bars, and the strip as SVG. It needs no script. */
import { escapeText } from "../draw/escape.ts";
import { declarations } from "../heat/heat_html.ts";
import { levelOf, LOOKS, panelScale } from "./live_ink.ts";
import {
  GLYPHS,
  type LivePanel,
  type PanelStrip,
  type PanelText,
  type PanelToken,
  type PanelWindow,
} from "./live_panel.ts";
import type { LiveFact } from "./live_types.ts";
import { stripPicture } from "./live_strip.ts";
import { grouped, percentText } from "../draw/number_text.ts";
import { BLUE, css } from "../draw/palette.ts";
import type { Scale } from "../draw/scale.ts";
import { svgDocument } from "../draw/svg.ts";
import { rangeText } from "../draw/token_axis.ts";
import { visibleBreaks } from "../draw/token_text.ts";

const STYLE = `.ll-live{box-sizing:border-box;max-width:100%;padding:10px 12px;
border:1px solid rgba(128,128,128,.4);border-radius:6px;line-height:1.45}
.ll-live>div+div{margin-top:9px}
.ll-live .ll-head{display:flex;flex-wrap:wrap;gap:2px 14px;align-items:baseline}
.ll-live .ll-head b{font-size:13px}
.ll-live .ll-name{font-weight:600;margin-bottom:2px}
.ll-live .ll-dim{opacity:.68}
.ll-live .ll-name span{font-weight:400;font-size:11px;opacity:.68}
.ll-live .ll-text{font-size:13px;line-height:1.7;white-space:pre-wrap;overflow-wrap:anywhere;
max-height:14em;overflow:auto}
.ll-live bdi{padding:1px 0 3px}
.ll-live .ll-rows{display:grid;gap:3px 10px;align-items:baseline;font-variant-numeric:tabular-nums}
.ll-live .ll-places{grid-template-columns:auto auto minmax(0,1fr)}
.ll-live .ll-facts{grid-template-columns:auto 110px auto minmax(0,1fr)}
.ll-live .ll-right{text-align:right}
.ll-live .ll-place{white-space:pre-wrap;overflow-wrap:anywhere}
.ll-live .ll-bar{display:inline-block;width:110px;height:7px;border-radius:3px;
background-color:rgba(128,128,128,.22);overflow:hidden}
.ll-live .ll-bar span{display:block;height:100%;background-color:${css(BLUE)}}`;

const MORE = `<span class="ll-dim">\u2026</span>`;
/** Draws a panel so wide. */
export async function liveHtml(panel: LivePanel, width: number): Promise<string> {
  const scale = panelScale(panel);
  const parts = [
    head(panel),
    panel.reading === null ? "" : reading(panel.reading),
    textPart(panel.text, scale),
    placesPart(panel, scale),
    await stripPart(panel, width),
    factsPart(panel),
  ];
  return `<style>${STYLE}</style><div class="ll-live" style="width:${width}px">${
    parts.join("")
  }</div>`;
}

function head({ title, state, status, headline }: LivePanel): string {
  const said = [`${GLYPHS[state]} ${status}`, ...headline].map((text) => span(text));
  return `<div class="ll-head"><b>${escapeText(title)}</b>${said.join("")}</div>`;
}

function reading(share: number): string {
  return `<div>${bar(share)} ${span(`${percentText(share)} of the question read`)}</div>`;
}

function textPart({ prompt, hidden, generated }: PanelText, scale: Scale): string {
  if (generated.length === 0) return "";
  const gap = hidden > 0 ? span(` \u2026 ${grouped(hidden)} tokens \u2026 `, "ll-dim") : "";
  return `<div class="ll-text"><span class="ll-dim">${tokens(prompt, scale, "\u21b5\n")}</span>` +
    `${gap}${tokens(generated, scale, "\u21b5\n")}</div>`;
}

function placesPart(panel: LivePanel, scale: Scale): string {
  const { windows, scope, notes, most } = panel;
  if (panel.strip === null) return "";
  const strongest = `darkest ${percentText(most)}`;
  const rows = windows.map((window) => placeRow(window, scale)).join("");
  return `<div>${name(`Attention of ${scope}`, [...notes, strongest])}` +
    `<div class="ll-rows ll-places">${rows}</div></div>`;
}

function placeRow({ share, tokens: shown }: PanelWindow, scale: Scale): string {
  const place = rangeText(shown[0]!.index, shown.at(-1)!.index);
  return span(place, "ll-right ll-dim") + span(percentText(share), "ll-right") +
    `<span class="ll-place">${MORE}${tokens(shown, scale, "\u21b5")}${MORE}</span>`;
}

async function stripPart({ strip }: LivePanel, width: number): Promise<string> {
  if (strip === null) return "";
  const inner = width - 26;
  const { markup, height } = await stripPicture(strip, inner);
  const about = stripName(strip);
  return `<div>${name(about.title, about.notes)}${
    svgDocument({ width: inner, height, about: about.title }, markup)
  }</div>`;
}

/** What the strip shows. */
export function stripName(
  { rows, axis, most }: PanelStrip,
): { title: string; notes: string[] } {
  const steps = rows.length === 1 ? "The last token" : `The last ${rows.length} tokens`;
  const bins = axis.binTokens === 1 ? [] : [`bin = ${grouped(axis.binTokens)} tokens, maximum`];
  const notes = [...bins, `darkest ${percentText(most)}`, "dashed: first new token"];
  return { title: `${steps} by position`, notes };
}

function factsPart({ facts, scope }: LivePanel): string {
  return `<div>${name("Keys", [scope])}<div class="ll-rows ll-facts">${
    facts.map(factRow).join("")
  }</div></div>`;
}

function factRow({ name, text, share }: LiveFact): string {
  const amount = share === undefined ? "<span></span><span></span>" : `<span>${bar(share)}</span>` +
    span(percentText(share), "ll-right");
  return span(name) + amount + span(text, "ll-dim");
}

function name(title: string, notes: readonly string[]): string {
  return `<div class="ll-name">${escapeText(title)} ${span(notes.join(" \u00b7 "))}</div>`;
}

function bar(share: number): string {
  const percent = Math.min(100, 100 * share).toFixed(1);
  return `<span class="ll-bar"><span style="width:${percent}%"></span></span>`;
}

function span(text: string, style?: string): string {
  return `<span${style ? ` class="${style}"` : ""}>${escapeText(text)}</span>`;
}

/** Tokens, each isolated from the direction of the others. */
function tokens(shown: readonly PanelToken[], scale: Scale, breaks: string): string {
  return shown.map((token) => {
    const text = escapeText(token.text.split("\n").map(visibleBreaks).join(breaks));
    return `<bdi${looks(token, scale)}>${text}</bdi>`;
  }).join("");
}

function looks({ index, attention }: PanelToken, scale: Scale): string {
  if (!(attention > 0)) return "";
  const about = ` title="${escapeText(`${grouped(index)}: ${percentText(attention)}`)}"`;
  const shade = LOOKS[levelOf(attention, scale)]!;
  return shade.background ? `${about} style="${declarations(shade)}"` : about;
}
