import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { shortToken, visibleToken } from "../../lib/plot/draw/token_text.ts";
import { anyText } from "./any_text.ts";
import { XSS_TOKENS } from "./xss_corpus.ts";

Deno.test("visibleToken() shows blanks, breaks and invisible characters", () => {
  const cases: [text: string, shown: string][] = [
    [" the", "\u00b7the"],
    ["a\nb", "a\u21b5b"],
    ["\r\n", "\u240d\u21b5"],
    ["\tx", "\u21e5x"],
    ["a\u00a0b", "a\u237db"],
    ["\u202eabc", "<202E>abc"],
    ["a\u200db", "a<200D>b"],
    ["\u0000", "<00>"],
    ["\u2028", "<2028>"],
    ["\ud83d", "<D83D>"],
    ["\u{1f600}", "\u{1f600}"],
    ["<0xE2>", "<0xE2>"],
    ["", ""],
  ];
  for (const [text, shown] of cases) assertEquals(visibleToken(text), shown);
});

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp} \u00a0]/u;

Deno.test("visibleToken() leaves no character that is not seen or moves others", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      assert(!HIDDEN.test(visibleToken(text)));
    }),
    { numRuns: 500, seed: 1 },
  );
  for (const token of XSS_TOKENS) assert(!HIDDEN.test(visibleToken(token)), token);
});

Deno.test("shortToken() cuts at the asked number of characters and never within one", () => {
  assertEquals(shortToken(" abc", 4), "\u00b7abc");
  assertEquals(shortToken(" abcd", 4), "\u00b7ab\u2026");
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 20 }), (text, most) => {
      const shown = shortToken(text, most);
      assert([...shown].length <= most && !/\p{Cs}/u.test(shown));
      const whole = visibleToken(text);
      assert(shown === whole || whole.startsWith(shown.slice(0, -1)));
    }),
    { numRuns: 300, seed: 2 },
  );
});
