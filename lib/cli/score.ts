/**
 * Bits per byte of a text.
 *
 *     deno task score --file TEXT [--model PATH|org/name[@revision]] [--window 512]
 */
import { parseArgs } from "node:util";
import { bitsPerByte } from "../eval/bits_per_byte.ts";
import { wholeNumber } from "./format.ts";
import { loadModel } from "./load_model.ts";
import { ProgressLine } from "./progress_line.ts";

function options() {
  const text = { type: "string" } as const;
  return parseArgs({
    options: { file: text, model: text, window: { ...text, default: "512" } },
  }).values;
}

async function score(): Promise<void> {
  const { file, model: ref, window } = options();
  if (file === undefined) throw new Error("Cannot score without --file TEXT");
  const line = new ProgressLine();
  const model = await loadModel(ref, line);
  const bits = await bitsPerByte(model, await Deno.readTextFile(file), {
    window: wholeNumber("window", window),
    onProgress: (share) => line.update(share, "scoring"),
  });
  line.clear();
  console.log(`${bits.toFixed(3)} bits per byte in windows of ${window} tokens`);
  model.close();
}

if (import.meta.main) await score();
