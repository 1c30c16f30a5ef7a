import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { textColumns } from "../../lib/plot/draw/columns.ts";
import { wrapped } from "../../lib/plot/draw/text_lines.ts";

Deno.test("wrapped() keeps all of a text in lines of at most so many columns", () =>
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 80 }),
      fc.integer({ min: 2, max: 30 }),
      (text, most) => {
        const lines = wrapped(text, most);
        for (const line of lines) assertLessOrEqual(textColumns(line), most);
        assertEquals(lines.join("").replace(/\s/g, ""), text.replace(/\s/g, ""));
      },
    ),
    { seed: 1 },
  ));

Deno.test("wrapped() breaks between words, and counts wide characters twice", () => {
  assertEquals(wrapped("one two three", 8), ["one two", "three"]);
  assertEquals(wrapped("\u65e5\u672c\u8a9e", 4), ["\u65e5\u672c", "\u8a9e"]);
  assert(wrapped("", 8).length === 1);
});
