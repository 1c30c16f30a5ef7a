/** How a token is shown: every character visible, on one line. */

const SHOWN: Readonly<Record<string, string>> = {
  " ": "\u00b7",
  "\n": "\u21b5",
  "\r": "\u240d",
  "\t": "\u21e5",
  "\u00a0": "\u237d",
};

/** Control, format (bidi marks, zero-width) and lone surrogate characters. */
const HIDDEN = /\p{Cc}|\p{Cf}|\p{Surrogate}|\p{Zl}|\p{Zp}/gu;

/** A token with its blanks, breaks and invisible characters shown: " a\n" as "·a↵". */
export function visibleToken(text: string): string {
  return visibleBreaks(text).replaceAll(" ", SHOWN[" "]!);
}

/** A text on one line, its breaks and invisible characters shown, its blanks as they are. */
export function visibleBreaks(text: string): string {
  const shown = text.replace(/[\n\r\t\u00a0]/g, (c) => SHOWN[c]!);
  return shown.replace(
    HIDDEN,
    (c) => `<${c.codePointAt(0)!.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
}

/** The same, cut to `most` characters with an ellipsis. */
export function shortToken(text: string, most = 16): string {
  const shown = [...visibleToken(text)];
  return shown.length <= most ? shown.join("") : shown.slice(0, most - 1).join("") + "\u2026";
}

/** A shown token that does not turn what stands beside it, as one in a script from right to left would. */
export function isolated(shown: string): string {
  return `\u2068${shown}\u2069`;
}
