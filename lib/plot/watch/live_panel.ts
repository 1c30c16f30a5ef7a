/** The panel of a live view as plain data: what is shown, before it is drawn. */
import type { FixedAxis } from "../draw/bins.ts";
import { poolRow } from "../draw/bins.ts";
import type { RunState } from "./follow.ts";
import type { Look } from "./live_attention.ts";
import type { LiveState } from "./live_state.ts";
import type { LiveCounts, LiveFact, LiveSource } from "./live_types.ts";
import { clipColumns, lastColumns, textColumns } from "../draw/columns.ts";
import { bytesText, grouped, percentText, rateText } from "../draw/number_text.ts";
import { rangeOf } from "../draw/scale.ts";
import { textWindows } from "../draw/text_windows.ts";
import { visibleBreaks } from "../draw/token_text.ts";

/** A token of the text and the attention it got. */
export interface PanelToken {
  /** Place. */
  readonly index: number;
  /** Text. */
  readonly text: string;
  /** Attention; `NaN` where it is not known or not shown. */
  readonly attention: number;
}

/** Tokens in a row. */
export interface PanelText {
  /** Tokens of the prompt before the generated ones. */
  readonly prompt: readonly PanelToken[];
  /** Generated tokens that are left out before those shown. */
  readonly hidden: number;
  /** Generated tokens. */
  readonly generated: readonly PanelToken[];
}

/** A place of the text that was looked at. */
export interface PanelWindow {
  /** Share of the attention. */
  readonly share: number;
  /** Its tokens. */
  readonly tokens: readonly PanelToken[];
}

/** The attention of the last steps over binned positions. */
export interface PanelStrip {
  /** Tokens of the rows, the latest last. */
  readonly rows: readonly PanelToken[];
  /** Largest attention in each bin, `[rows, axis.bins]`. */
  readonly values: Float64Array;
  /** Largest of them: the darkest shade. */
  readonly most: number;
  /** The positions. */
  readonly axis: FixedAxis;
  /** Position of the first generated token. */
  readonly first: number;
  /** Heads that retrieved keys of each bin, `[axis.bins]`; `null` where nothing was retrieved. */
  readonly retrieved: Float64Array | null;
}

/** What a live view shows. */
export interface LivePanel {
  /** Line above. */
  readonly title: string;
  /** What became of the run. */
  readonly state: RunState;
  /** The same in words, with the reason. */
  readonly status: string;
  /** Share of the question that was read, while it is read; `null` after. */
  readonly reading: number | null;
  /** Tokens, speed, method. */
  readonly headline: readonly string[];
  /** What the attention and the numbers are of. */
  readonly scope: string;
  /** How the attention was taken. */
  readonly notes: readonly string[];
  /** Largest attention of a token: the darkest shade. */
  readonly most: number;
  /** End of the prompt and the generated text. */
  readonly text: PanelText;
  /** Places before that text that were looked at most. */
  readonly windows: readonly PanelWindow[];
  /** Attention by position; `null` before there is one. */
  readonly strip: PanelStrip | null;
  /** Numbers. */
  readonly facts: readonly LiveFact[];
}

/** Glyphs of states: what the words say, once more. */
export const GLYPHS: Readonly<Record<RunState, string>> = {
  running: "\u25b6",
  done: "\u2713",
  stopped: "\u25a0",
  failed: "\u2715",
};

/** Tokens of the prompt that are shown, where it is not known which of them are the question. */
const PROMPT_TOKENS = 24;
const QUESTION_TOKENS = 64;
const TEXT_TOKENS = 200;
/** Columns below which a text says nothing. */
const LEAST_TEXT = 8;
const SCANNED = "scanned";
const ATTENDED = "attended";
/** Share of the attention below which a place is not worth showing. */
const LEAST_SHARE = 1e-3;
const WINDOWS = { count: 5, radius: 12 };
const END_WORDS: Readonly<Record<string, string>> = {
  stop: "done: stop text",
  eos: "done: end of text",
  length: "done: token limit",
};

/** What is to be shown now: of the last step while the run goes on, of all steps once it has ended. */
export function livePanel(
  state: LiveState,
  source: LiveSource,
  title: string,
  extras: readonly LiveFact[],
): LivePanel {
  const over = state.state !== "running";
  const look = over ? state.attention.all() : state.attention.last();
  const shown = textOf(state, source, look);
  return {
    title,
    state: state.state,
    status: statusOf(state),
    reading: state.first === null && state.reading ? shareOf(state.reading) : null,
    headline: headlineOf(state, source),
    scope: scopeOf(state, over),
    notes: look ? notesOf(look) : [],
    most: look ? rangeOf(look.row)[1] : 0,
    text: shown,
    windows: look ? windowsOf(look, source, shown) : [],
    strip: look ? stripOf(state, source, look) : null,
    facts: [...factsOf(over ? state.all : state.last, look, source), ...extras],
  };
}

/** The panel in a line. */
export function panelLine({ title, status, headline, facts }: LivePanel): string {
  return `${title}: ${[status, ...headline, ...sharesOf(facts)].join(", ")}`;
}

/** The panel in a line of a terminal: the numbers, and as much of the latest text as there are columns for. */
export function terminalText(panel: LivePanel, columns: number): string {
  const { state, status, reading, headline, facts, text } = panel;
  const counted = facts.filter(({ name }) => name === SCANNED || name === ATTENDED);
  const before = state === "running" && reading === null && text.generated.length > 0;
  const said = [...(before ? [] : [status]), ...headline.slice(0, 2), ...sharesOf(counted)];
  const line = clipColumns(`${GLYPHS[state]} ${said.join(", ")}`, columns);
  const room = columns - textColumns(line) - 2;
  const latest = text.generated.map((token) => visibleBreaks(token.text)).join("");
  return room >= LEAST_TEXT && latest !== "" ? `${line}  ${lastColumns(latest, room)}` : line;
}

function sharesOf(facts: readonly LiveFact[]): string[] {
  return facts.filter(({ share }) => share !== undefined)
    .map(({ name, share }) => `${name} ${percentText(share!)}`);
}

function shareOf({ done, total }: { done: number; total: number }): number {
  return total > 0 ? done / total : 0;
}

function statusOf({ state, reason, reading, steps }: LiveState): string {
  if (state === "done") return END_WORDS[reason] ?? `done: ${reason}`;
  if (state === "failed") return `failed: ${reason}`;
  if (state === "stopped") return "stopped";
  if (steps > 0) return "generating";
  return reading ? "reading" : "starting";
}

function headlineOf({ steps, ms }: LiveState, { method }: LiveSource): string[] {
  if (steps === 0) return [method];
  return [`${grouped(steps)} ${steps === 1 ? "token" : "tokens"}`, rateText(steps, ms), method];
}

function scopeOf({ steps }: LiveState, over: boolean): string {
  if (!over) return "the last token";
  return steps === 1 ? "the one token" : `all ${grouped(steps)} tokens`;
}

function notesOf({ sink, layers, heads }: Look): string[] {
  const many = layers.length > 1;
  const [low, high] = [layers[0]!, layers.at(-1)!];
  const which = high - low + 1 === layers.length && many ? `${low} to ${high}` : layers.join(", ");
  return [
    `mean of ${heads} ${heads === 1 ? "head" : "heads"}, ${many ? "layers" : "layer"} ${which}`,
    `without token 0 (${percentText(sink)})`,
  ];
}

function textOf(
  { first, steps, reading }: LiveState,
  source: LiveSource,
  look: Look | null,
): PanelText {
  if (first === null) return { prompt: [], hidden: 0, generated: [] };
  const end = first + steps;
  const start = Math.max(first, end - TEXT_TOKENS);
  const before = reading ? Math.min(QUESTION_TOKENS, reading.total) : PROMPT_TOKENS;
  return {
    prompt: withoutBreaks(tokensOf(source, look, Math.max(0, first - before), first)),
    hidden: start - first,
    generated: tokensOf(source, look, start, end),
  };
}

/** A question may begin with a line break. */
function withoutBreaks(tokens: readonly PanelToken[]): readonly PanelToken[] {
  const start = tokens.findIndex(({ text }) => text.trim() !== "");
  return start < 0 ? [] : tokens.slice(start);
}

function tokensOf(
  source: LiveSource,
  look: Look | null,
  start: number,
  end: number,
): PanelToken[] {
  return source.tokens(start, end).map((text, at) => {
    const index = start + at;
    return { index, text, attention: look?.row[index] ?? NaN };
  });
}

/** Windows of what the text does not show. */
function windowsOf(
  look: Look,
  source: LiveSource,
  { prompt, hidden, generated }: PanelText,
): PanelWindow[] {
  const shown = generated[0]?.index ?? 0;
  const first = shown - hidden;
  const parts = [[0, prompt[0]?.index ?? first], [first, shown]] as const;
  const windows = parts.flatMap(([from, to]) =>
    textWindows(look.row.subarray(from, to), WINDOWS).map(({ start, end, sum }) => ({
      share: sum,
      tokens: tokensOf(source, look, from + start, from + end),
    }))
  );
  return windows.filter(({ share }) => share >= LEAST_SHARE)
    .sort((a, b) => b.share - a.share).slice(0, WINDOWS.count);
}

function stripOf({ attention, first }: LiveState, source: LiveSource, look: Look): PanelStrip {
  const { strip } = attention;
  const { axis } = strip;
  const rows = strip.rows.map(({ index }) => ({
    index,
    text: source.tokens(index, index + 1)[0] ?? "",
    attention: NaN,
  }));
  const { retrieved } = look;
  const values = strip.matrix();
  return {
    rows,
    values,
    most: rangeOf(values)[1],
    axis,
    first: first!,
    retrieved: retrieved.sum > 0 ? poolRow(retrieved.counts, axis, "sum") : null,
  };
}

function factsOf(
  { scanned, attended, keys }: LiveCounts,
  look: Look | null,
  source: LiveSource,
): LiveFact[] {
  const { tokens, kvBytes, residentBytes } = source.memory();
  const pairs = keys === 0
    ? []
    : [pairFact(SCANNED, scanned, keys), pairFact(ATTENDED, attended, keys)];
  const found = look && look.retrieved.sum > 0
    ? [pairFact("retrieved", look.retrieved.sum, look.retrieved.keys)]
    : [];
  const cache = {
    name: "cache",
    text: `${bytesText(kvBytes)} for ${grouped(tokens)} tokens, ` +
      `${bytesText(residentBytes)} of it needed at hand`,
    ...(kvBytes > 0 ? { share: residentBytes / kvBytes } : {}),
  };
  return [...found, ...pairs, cache];
}

function pairFact(name: string, count: number, of: number): LiveFact {
  const share = count / of;
  return { name, text: `${grouped(count)} of ${grouped(of)} query-key pairs`, share };
}
