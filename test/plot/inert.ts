/** The check that no text of a figure has become markup or script. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { JSDOM } from "jsdom";
import type { Figure } from "../../lib/plot/figure.ts";
import { TRAP, XSS_TOKENS } from "./xss_corpus.ts";

/** Texts made of tokens of the corpus and of anything else. */
export const hostileText: fc.Arbitrary<string> = fc.array(
  fc.oneof(fc.constantFrom(...XSS_TOKENS), fc.string({ unit: "binary", maxLength: 8 })),
  { maxLength: 4 },
).map((parts) => parts.join(""));

const ELEMENTS = new Set(
  ("html head body style div svg g rect text tspan title path line circle image script " +
    "img ol li code bdi mark wbr br form input label details summary b span line").split(" "),
);
const ATTRIBUTES = new Set(
  ("id class role style xmlns xmlns:xlink fill fill-opacity font-family font-size font-weight " +
    "text-anchor width height viewbox viewBox x y dx dy x1 x2 y1 y2 d r cx cy rx transform stroke stroke-opacity " +
    "stroke-width stroke-linejoin stroke-linecap stroke-miterlimit opacity href preserveAspectRatio preserveaspectratio " +
    "image-rendering aria-label aria-hidden pointer-events font-variant visibility textlength textLength " +
    "lengthadjust lengthAdjust unicode-bidi method type name checked title dir alt src stroke-dasharray")
    .split(" "),
);

/** What is used of an element. */
interface ParsedElement {
  readonly tagName: string;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
}

/** A figure's SVG is well-formed, and its HTML has no element or attribute and runs no script but ours. */
export async function assertInert(figure: Figure): Promise<void> {
  assertWellFormed(await figure.svg());
  const html = await figure.html("ll-test");
  const { window } = new JSDOM(`<body>${html}</body>`, {
    runScripts: "dangerously",
    url: "http://localhost/",
  });
  for (const element of window.document.querySelectorAll("*")) assertOurs(element);
  assert(window.document.querySelectorAll("script").length <= 1, "There is another script");
  assertEquals(window[TRAP], undefined);
  window.close();
}

/** A picture, parsed. */
export function parsed(markup: string) {
  return new JSDOM(markup).window.document;
}

function assertWellFormed(svg: string): void {
  const { window } = new JSDOM("");
  const parsed = new window.DOMParser().parseFromString(svg, "image/svg+xml");
  assertEquals(parsed.documentElement.nodeName, "svg");
  window.close();
}

function assertOurs(element: ParsedElement): void {
  const name = element.tagName.toLowerCase();
  assert(ELEMENTS.has(name), `<${name}> is not ours`);
  for (const { name: attribute, value } of element.attributes) {
    assert(ATTRIBUTES.has(attribute), `${attribute} of <${name}> is not ours`);
    if (attribute === "href") assert(value.startsWith("data:image/png;base64,"), value);
    if (attribute === "src") assert(value.startsWith("data:image/svg+xml;base64,"), value);
  }
}
