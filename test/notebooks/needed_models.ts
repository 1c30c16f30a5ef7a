/** Real models that notebooks need: `longlens.models` in the metadata of a notebook lists their files. */
import { exists } from "../../lib/model/json_file.ts";
import type { Notebook } from "./notebook.ts";

/** Names the folder of real models. */
const VARIABLE = "LONGLENS_TEST_MODELS";

/** What a notebook lacks: models that are not in the folder; `null` where it has all it needs. */
export async function missingModels(
  { metadata }: Notebook,
  folder: string | null = Deno.env.get(VARIABLE) ?? null,
): Promise<string | null> {
  const { models = [] } = (metadata.longlens ?? {}) as { readonly models?: readonly string[] };
  const absent: string[] = [];
  for (const name of models) {
    if (folder === null || !await exists(`${folder}/${name}`)) absent.push(name);
  }
  if (absent.length === 0) return null;
  const where = folder === null ? `${VARIABLE} names no folder` : `not in ${VARIABLE}`;
  return `needs ${absent.join(" and ")}: ${where}`;
}
