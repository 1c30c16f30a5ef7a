import { assertEquals } from "@std/assert";
import { meanColumn } from "../../lib/cli/head_means.ts";

Deno.test("meanColumn() shows the mean over heads, and says where it is unknown", () => {
  const { cell } = meanColumn("scanned", (share: number) => share);
  assertEquals(cell({ name: "flat4", rows: [0.25, 0.75] }), "50.0 %");
  assertEquals(cell({ name: "hnsw", rows: [0.25, NaN] }), "unknown");
});
