/** The text around the positions that were retrieved most often, as HTML. */
import { escapeText } from "../draw/escape.ts";
import { grouped } from "../draw/number_text.ts";
import type { RetrievalRow } from "./retrieval_rows.ts";
import { visibleToken } from "../draw/token_text.ts";

/** Tokens shown before and after a position. */
const AROUND = 8;
const PLACES = 6;

/** A list of the most retrieved positions, no two in each other's context; empty where nothing was retrieved. */
export function contextList(data: readonly RetrievalRow[], tokens: readonly string[]): string {
  const counts = new Map<number, number>();
  for (const { indices } of data) {
    for (const key of Array.from(indices)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const places = apart([...counts].sort(([a, m], [b, n]) => n - m || a - b));
  if (places.length === 0) return "";
  const items = places.map(([position, count]) => item(position, count, data.length, tokens));
  return `<div class="ll-context"><div>Retrieved most often:</div><ol style="margin:2px 0;` +
    `padding-left:2em;line-height:1.7">${items.join("")}</ol></div>`;
}

function apart(ranked: readonly (readonly [number, number])[]): [number, number][] {
  const chosen: [number, number][] = [];
  for (const [position, count] of ranked) {
    if (chosen.length === PLACES) break;
    if (chosen.every(([other]) => Math.abs(other - position) > AROUND)) {
      chosen.push([position, count]);
    }
  }
  return chosen;
}

function item(position: number, count: number, chances: number, tokens: readonly string[]): string {
  const from = Math.max(0, position - AROUND);
  const texts = tokens.slice(from, position + AROUND + 1).map((token, i) => {
    const shown = `<bdi>${escapeText(visibleToken(token))}</bdi>`;
    return from + i === position ? `<mark>${shown}</mark>` : shown;
  });
  return `<li>position ${grouped(position)}, ${grouped(count)} of ${grouped(chances)} times: ` +
    `<code style="white-space:pre-wrap">${texts.join("<wbr>")}</code></li>`;
}
