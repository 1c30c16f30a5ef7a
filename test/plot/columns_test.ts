import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { clipColumns, lastColumns, textColumns } from "../../lib/plot/draw/columns.ts";

Deno.test("textColumns() counts wide characters twice and marks not at all", () => {
  const texts = ["abc", "\u65e5\u672c", "a\u0301", "\u{1f600}", "\uff21", ""];
  assertEquals(texts.map(textColumns), [3, 4, 1, 2, 2, 0]);
});

Deno.test("clipColumns() and lastColumns() keep an end of any text within the columns", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 20 }), (text, most) => {
      for (const cut of [clipColumns(text, most), lastColumns(text, most)]) {
        assertLessOrEqual(textColumns(cut), most);
        if (textColumns(text) <= most) assertEquals(cut, text);
      }
      const cut = clipColumns(text, most);
      if (cut !== text) assert(cut.endsWith("\u2026") && text.startsWith(cut.slice(0, -1)));
      const last = lastColumns(text, most);
      if (last !== text) assert(last.startsWith("\u2026") && text.endsWith(last.slice(1)));
    }),
    { seed: 1 },
  );
});
