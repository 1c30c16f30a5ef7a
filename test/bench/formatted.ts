import { assertEquals } from "@std/assert";
import { inFolder } from "../in_folder.ts";

/** Fails unless `deno fmt` leaves Markdown as it is. */
export async function assertFormatted(markdown: string): Promise<void> {
  await inFolder(async (folder) => {
    const file = `${folder}/table.md`;
    const text = `${markdown}\n`;
    await Deno.writeTextFile(file, text);
    const args = ["fmt", "--line-width", "100", file];
    await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
    assertEquals(await Deno.readTextFile(file), text);
  });
}
