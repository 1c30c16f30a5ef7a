/** Head files from and to those that MInference publishes. */
import { type HeadFile, readHeadFile, writeHeadFile } from "../attention/head_file.ts";
import { readMInferenceFile, writeMInferenceFile } from "../attention/minference_file.ts";
import { wholeNumber } from "./option_values.ts";

/** Options of the two commands, as they are typed. */
export interface PublishedOptions {
  /** What is read. */
  readonly file?: string | undefined;
  /** What is written. */
  readonly out?: string | undefined;
  /** The model's name. */
  readonly name?: string | undefined;
  /** Its layers. */
  readonly layers?: string | undefined;
  /** Its query heads. */
  readonly heads?: string | undefined;
  /** Its KV heads. */
  readonly "kv-heads"?: string | undefined;
}

/** Makes the head file `out` of a published file, and tells what makes that doubtful. */
export async function importHeads(options: PublishedOptions, out: string): Promise<HeadFile> {
  const count = (name: "layers" | "heads" | "kv-heads") =>
    wholeNumber(name, options[name] ?? "", 1);
  const model = {
    name: needed(options, "import", "name"),
    layers: count("layers"),
    heads: count("heads"),
    kvHeads: count("kv-heads"),
  };
  const date = new Date().toISOString();
  const file = needed(options, "import", "file");
  const { heads, notices } = await readMInferenceFile(file, { model, date });
  await writeHeadFile(out, heads);
  for (const notice of notices) console.error(notice);
  return heads;
}

/** Writes a head file as MInference reads it. */
export async function exportHeads(options: PublishedOptions): Promise<void> {
  const heads = await readHeadFile(needed(options, "export", "file"));
  await writeMInferenceFile(needed(options, "export", "out"), heads);
}

function needed(
  options: PublishedOptions,
  command: "import" | "export",
  name: "file" | "name" | "out",
): string {
  const value = options[name];
  if (value === undefined) throw new Error(`Cannot ${command} heads without --${name}`);
  return value;
}
