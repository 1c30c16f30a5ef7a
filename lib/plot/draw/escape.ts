/** The one place where text becomes HTML, SVG or script. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  // Parsers make a blank of these in attributes, and of a carriage return a line feed.
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

/** Characters that XML 1.0 does not allow, and lone surrogates. */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

/** Text for the content or a quoted attribute of HTML and SVG. */
export function escapeText(text: string): string {
  return withoutForbidden(text).replace(/[&<>"'\t\n\r]/g, (c) => ENTITIES[c]!);
}

/** Markup that a browser wrote as HTML, for readers of XML. */
export function xmlOfHtml(markup: string): string {
  return withoutForbidden(markup.replaceAll("&nbsp;", "\u00a0"));
}

/** Data as JSON that may stand in a script element. */
export function scriptJson(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function withoutForbidden(text: string): string {
  return text.replace(FORBIDDEN, "\ufffd");
}
