import { assertEquals, assertThrows } from "@std/assert";
import { filePath } from "../../lib/trace/file_path.ts";

Deno.test("filePath() leaves a path as it is", () => {
  for (const path of ["a/b", "/a b/%20", "../c", "https"]) assertEquals(filePath(path), path);
});

Deno.test("filePath() reads a file: URL, as text, too", () => {
  assertEquals(filePath(new URL("file:///a%20b/c")), "/a b/c");
  assertEquals(filePath("file:///a%20b/c"), "/a b/c");
});

Deno.test("filePath() refuses other URLs", () => {
  assertThrows(() => filePath(new URL("https://example.org/a")), TypeError);
});
