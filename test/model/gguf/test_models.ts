/** Real models for tests: looked for in the folder that LONGLENS_TEST_MODELS names. */
import { exists } from "../../../lib/model/json_file.ts";

const FILES = {
  smollm2: "SmolLM2-135M-Instruct.Q4_1.gguf",
  gemma3: "gemma-3-270m-q4_k_m.gguf",
} as const;

/** Path of a model, or `null` with a notice where it is absent. */
export async function testModel(name: keyof typeof FILES): Promise<string | null> {
  const folder = Deno.env.get("LONGLENS_TEST_MODELS");
  if (folder === undefined) {
    console.log(`Skipped what needs ${FILES[name]}: LONGLENS_TEST_MODELS names no folder`);
    return null;
  }
  const path = `${folder}/${FILES[name]}`;
  if (await exists(path)) return path;
  console.log(`Skipped what needs ${FILES[name]}: it is not in LONGLENS_TEST_MODELS`);
  return null;
}
