/** One head file of several: patterns of the prefill and modes of retrieval. */
import { parseArgs } from "node:util";
import { type HeadFile, readHeadFile, writeHeadFile } from "../attention/head_file.ts";
import { mergeHeadFiles } from "../attention/merge_heads.ts";

/** What `deno task heads merge` takes. */
export const MERGE_USAGE =
  `deno task heads merge FILE FILE... puts what head files of one model say into one. Options:
  --out FILE        head file (heads.json); may be one of those that are read`;

/** Runs the command; `args` are what follows its name. */
export async function mergeHeads(args: readonly string[]): Promise<void> {
  const { values: { out, help }, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { out: { type: "string", default: "heads.json" }, help: { type: "boolean" } },
  });
  if (help) return console.log(MERGE_USAGE);
  if (positionals.length < 2) throw new Error("Cannot merge head files without FILE FILE...");
  const [first, ...others] = await Promise.all(positionals.map(readHeadFile));
  const merged = others.reduce(mergeHeadFiles, first!);
  await writeHeadFile(out, merged);
  console.log(summary(merged));
}

/** How many heads have what. */
function summary({ layers }: HeadFile): string {
  const heads = layers.flatMap(({ queryHeads }) => queryHeads);
  const patterns = heads.filter(({ pattern }) => pattern !== null).length;
  const modes = heads.filter(({ retrieval }) => retrieval).length;
  return `Of ${heads.length} heads ${patterns} have a pattern and ${modes} a mode of retrieval`;
}
