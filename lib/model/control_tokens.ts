/**
 * Control tokens that a user's text contains and that are meant as text. They are marked before a template sees them, so
 * that what it writes itself can be told from them after, as transformers does with `sanitize_control_tokens`.
 */

/** A part of a rendered chat. */
export interface ChatPiece {
  /** The text. */
  readonly text: string;
  /** Whether a control token in it is text. */
  readonly plain: boolean;
}

/** Private-use characters that stand around a marked token. */
const [START, END] = ["\u{f0000}", "\u{f0001}"];

/** `value` with every one of `tokens` marked in all its strings; keys stay as they are. */
export function markControlTokens(value: unknown, tokens: readonly string[]): unknown {
  const pattern = new RegExp(alternatives(tokens), "gu");
  const mark = (value: unknown): unknown => {
    if (typeof value === "string") {
      return value.replaceAll(START, "").replaceAll(END, "").replace(pattern, `${START}$&${END}`);
    }
    if (Array.isArray(value)) return value.map(mark);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mark(item)]));
  };
  return mark(value);
}

/** The parts of a text rendered from marked values; marks that lost each other separate the text all the same. */
export function splitMarked(text: string, tokens: readonly string[]): ChatPiece[] {
  const pattern = new RegExp(`${START}(${alternatives(tokens)})${END}|[${START}${END}]`, "u");
  return text.split(pattern).flatMap((part, at) =>
    part ? [{ text: part, plain: at % 2 === 1 }] : []
  );
}

/** A token goes before those it contains; without tokens nothing matches. */
function alternatives(tokens: readonly string[]): string {
  const longestFirst = [...tokens].sort((a, b) => b.length - a.length);
  return longestFirst.map((token) => token.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&")).join("|") ||
    "(?!)";
}
