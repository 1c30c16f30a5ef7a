/**
 * Pictures as text that was looked at once and is compared from then on. `LONGLENS_GOLDEN=write` writes them anew: look
 * at what changed.
 */
import { assertEquals } from "@std/assert";
import { withoutPngBytes } from "./read_png.ts";

const FOLDER = new URL("golden/", import.meta.url);

/** Compares markup, an element a line, with the file `test/plot/golden/<name>`. */
export async function assertGolden(name: string, markup: string): Promise<void> {
  const shown = (await withoutPngBytes(markup)).replaceAll("><", ">\n<") + "\n";
  const file = new URL(name, FOLDER);
  if (Deno.env.get("LONGLENS_GOLDEN") === "write") {
    await Deno.mkdir(FOLDER, { recursive: true });
    await Deno.writeTextFile(file, shown);
  }
  assertEquals(shown, await Deno.readTextFile(file), `${name} has changed`);
}
