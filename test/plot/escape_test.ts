import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import fc from "fast-check";
import { JSDOM } from "jsdom";
import { escapeText, scriptJson, xmlOfHtml } from "../../lib/plot/draw/escape.ts";
import { anyText } from "./any_text.ts";
import { XSS_TOKENS } from "./xss_corpus.ts";

/** What must be read back: the text, with U+FFFD where XML allows no character. */
function allowed(text: string): string {
  return Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    const right = code === 9 || code === 10 || code === 13 || (code >= 32 && code < 0xd800) ||
      (code >= 0xe000 && code <= 0xfffd) || code >= 0x10000;
    return right ? character : "\ufffd";
  }).join("");
}

const { window } = new JSDOM("");
const parser = new window.DOMParser();

function readBack(markup: string, type: "text/html" | "image/svg+xml"): (string | null)[] {
  const element = parser.parseFromString(markup, type).querySelector("#here")!;
  return [element.textContent, element.getAttribute("title"), String(element.children.length)];
}

Deno.test("escapeText() makes a text that HTML gives back, in content and in quoted attributes", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const escaped = escapeText(text);
      const double = readBack(`<p id="here" title="${escaped}">${escaped}</p>`, "text/html");
      const single = readBack(`<p id="here" title='${escaped}'>${escaped}</p>`, "text/html");
      assertEquals(double, [allowed(text), allowed(text), "0"]);
      assertEquals(single, double);
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("escapeText() makes a text that XML gives back, in content and in quoted attributes", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const escaped = escapeText(text);
      const svg =
        `<svg xmlns="http://www.w3.org/2000/svg"><text id="here" title="${escaped}">${escaped}</text></svg>`;
      assertEquals(readBack(svg, "image/svg+xml"), [allowed(text), allowed(text), "0"]);
    }),
    { numRuns: 300, seed: 2 },
  );
});

Deno.test("escapeText() makes a text of every token of the corpus", () => {
  assertGreaterOrEqual(new Set(XSS_TOKENS).size, 40);
  for (const token of XSS_TOKENS) {
    const markup = `<p id="here" title="${escapeText(token)}">${escapeText(token)}</p>`;
    assertEquals(readBack(markup, "text/html"), [allowed(token), allowed(token), "0"], token);
  }
});

Deno.test("scriptJson() gives JSON that a script element keeps and that equals the data", () => {
  fc.assert(
    fc.property(fc.array(anyText), (texts) => {
      const json = scriptJson({ texts });
      assert(!/[<>&\u2028\u2029]/.test(json));
      const page = parser.parseFromString(`<script id="here">${json}</script>`, "text/html");
      assertEquals(page.scripts.length, 1);
      assertEquals(JSON.parse(page.scripts[0]!.textContent!), { texts });
    }),
    { numRuns: 200, seed: 3 },
  );
});

Deno.test("xmlOfHtml() makes XML of what a browser writes as HTML", () => {
  const element = window.document.createElement("p");
  element.id = "here";
  element.textContent = "a\u00a0b <c> & \u0001";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg">${xmlOfHtml(element.outerHTML)}</svg>`;
  assertEquals(readBack(svg, "image/svg+xml")[0], "a\u00a0b <c> & \ufffd");
});
