/**
 * Pictures as text that was looked at once and is compared from then on. `LONGLENS_GOLDEN=write` writes them anew: look
 * at what changed.
 */
import { assertEquals } from "@std/assert";
import { withoutPngBytes } from "./read_png.ts";

const FOLDER = new URL("golden/", import.meta.url);

/**
 * Compares markup, an element a line, with the file `test/plot/golden/<name>`. The still image of a figure is its SVG
 * once more, with compressed bytes that may differ between systems: it is left out.
 */
export async function assertGolden(name: string, markup: string): Promise<void> {
  const still = markup.replace(/(?<=class="ll-still"[^>]*;base64,)[^"]+/, "svg");
  const shown = (await withoutPngBytes(still)).replaceAll("><", ">\n<") + "\n";
  const file = new URL(name, FOLDER);
  if (Deno.env.get("LONGLENS_GOLDEN") === "write") {
    await Deno.mkdir(FOLDER, { recursive: true });
    await Deno.writeTextFile(file, shown);
  }
  assertEquals(shown, await Deno.readTextFile(file), `${name} has changed`);
}
