/** Counts of instructions in a CUDA library. */
import { isFile } from "../../ffi/build_folder.ts";
import { onPath } from "../on_path.ts";

/** Path of cuobjdump: `LONGLENS_CUOBJDUMP`, else on the PATH. It runs nvdisasm, which lies beside it or on the PATH. */
export async function disassembler(): Promise<string | undefined> {
  return Deno.env.get("LONGLENS_CUOBJDUMP") || await onPath("cuobjdump");
}

/** How often `words` begin an instruction of the library's code for `arch`; kept beside the library. */
export async function countInstructions(
  library: string,
  arch: string,
  words: readonly string[],
): Promise<Record<string, number>> {
  const path = `${library}.${arch}.instructions.json`;
  if (await isFile(path)) return JSON.parse(await Deno.readTextFile(path));
  const counts = countWords(await disassemble(library, arch), words);
  await Deno.writeTextFile(path, JSON.stringify(counts));
  return counts;
}

function countWords(listing: string, words: readonly string[]): Record<string, number> {
  const count = (word: string) => [...listing.matchAll(new RegExp(`\\s${word}\\.`, "g"))].length;
  return Object.fromEntries(words.map((word) => [word, count(word)]));
}

async function disassemble(library: string, arch: string): Promise<string> {
  const command = await disassembler();
  if (command === undefined) throw new Error("Cannot disassemble as there is no cuobjdump");
  const folder = command.slice(0, command.lastIndexOf("/"));
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: ["-sass", "-arch", arch, library],
    env: { PATH: `${Deno.env.get("PATH")}:${folder}` },
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`Cannot disassemble ${library}: ${new TextDecoder().decode(stderr)}`);
}
