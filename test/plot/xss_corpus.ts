/**
 * Tokens that try to become markup or script, or to upset a text's layout. Wherever a figure shows tokens, each of
 * these must show as text and do nothing else. Those that would run something would set {@link TRAP}.
 */

/** Name of a global variable that no figure may ever set. */
export const TRAP = "longlensWasFooled";

const RUN = `window.${TRAP}=1`;

/** The tokens. */
export const XSS_TOKENS: readonly string[] = [
  // Elements and the end of the one they are in
  `<script>${RUN}</script>`,
  "</script>",
  `</script><script>${RUN}</script>`,
  `</SCRIPT ><svg/onload=${RUN}>`,
  `<img src=x onerror=${RUN}>`,
  `"><svg onload=${RUN}>`,
  `'><svg onload=${RUN}>`,
  `<svg><animate onbegin=${RUN} attributeName=x dur=1s>`,
  `<iframe srcdoc="<script>parent.${TRAP}=1</script>">`,
  `<details open ontoggle=${RUN}>`,
  `<body onpageshow=${RUN}>`,
  `<input autofocus onfocus=${RUN}>`,
  "<style>*{display:none}</style>",
  "</style><b>",
  "</bdi></div></form>",
  "</text></svg><b>",
  "</title><b>",
  "<textarea>",
  "<plaintext>",
  "<base href=//example.org/>",
  `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`,
  `<a href="javascript:${RUN}">`,
  `<foreignObject><img src=x onerror=${RUN}></foreignObject>`,
  `<math><mtext><mglyph><style><img src=x onerror=${RUN}>`,
  `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
  // Comments, sections, declarations
  "<!--",
  "-->",
  "<!--><script>",
  "]]>",
  "<![CDATA[",
  "<?xml version='1.0'?>",
  '<!DOCTYPE html [<!ENTITY x "y">]>',
  // References
  "&lt;script&gt;",
  "&amp;lt;",
  "&#60;b&#62;",
  "&nbsp",
  "&",
  "&x;",
  // Attributes, addresses, script and template texts
  `javascript:${RUN}`,
  `" onmouseover="${RUN}`,
  `' onmouseover='${RUN}`,
  `" style="position:fixed;inset:0`,
  `x onerror=${RUN}`,
  `\`-${RUN}-\``,
  `\${${RUN}}`,
  `{{constructor.constructor("${RUN}")()}}`,
  `");${RUN};("`,
  `');${RUN};('`,
  `\\");${RUN};//`,
  "\\u003cscript\\u003e",
  "url(javascript:0)",
  "expression(0)",
  // Characters that hide, turn, break or are not allowed
  "\u0000<b>\u0000",
  "\u0000",
  "\u0001\u0008\u000b\u001b[31m",
  "\u007f\u0085\u009f",
  "\ufeff",
  "\u202eevil\u202c",
  "\u2066\u2067\u2068",
  "\u200b\u200d\u200e\u200f",
  "\u2028\u2029",
  "\ud800",
  "\udfff<b>",
  "\uffff\ufffe",
  "a\u0301\u0302\u0303\u0304",
  "\u05d0\u05d1\u05d2 <b>",
  "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}",
  // Blanks, breaks, byte tokens, special tokens
  "",
  " ",
  "\n",
  "\r\n",
  "\t\u00a0\u3000",
  " \n \n ",
  "<0x3C>",
  "<0xE2>",
  "<|endoftext|>",
  "<s>",
  "x".repeat(300),
];
