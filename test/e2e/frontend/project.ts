/** A folder outside the checkout whose notebooks import Longlens by name, as those of a user do. */
import { codeNotebook, notebookText } from "../../notebooks/notebook.ts";

const ROOT = new URL("../../../", import.meta.url);

/** Makes `folder` such a folder, with the given notebooks: the sources of the cells by file name. */
export async function writeProject(
  folder: string,
  notebooks: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const here = {
    "@longlens/longlens": new URL("mod.ts", ROOT).href,
    "hostile-figures": new URL("hostile_figures.ts", import.meta.url).href,
  };
  const config = { imports: { ...imports, ...here }, lock: false };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
  for (const [name, cells] of Object.entries(notebooks)) {
    await Deno.writeTextFile(`${folder}/${name}`, notebookText(codeNotebook(...cells)));
  }
}
