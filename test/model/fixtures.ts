/** The fixtures of `fixtures/make_fixtures.py`, which describes their format, and the shared data beside the checkout. */
import { fileURLToPath } from "node:url";
import { readSafetensorsHeader, type TensorEntry } from "../../lib/model/safetensors.ts";

/** Names of the tiny checkpoints. */
export const CHECKPOINTS = [
  "gemma3",
  "llama",
  "llama_yarn",
  "mistral",
  "mistral_window",
  "phi3",
  "phi3_window",
  "qwen2",
  "qwen2_window",
  "qwen3",
] as const;

/** A sequence and what transformers makes of it. */
export interface ExpectedCase {
  /** Input. */
  readonly ids: Int32Array;
  /** Logits of the last `rows` positions, `[rows, vocab]`. */
  readonly logits: Float32Array;
  /** Number of rows in `logits`: all positions for the tiny checkpoints. */
  readonly rows: number;
  /** Greedy continuation. */
  readonly greedy: Int32Array;
}

/** Path of a file or folder in `fixtures/`. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** Expected outputs: `fixture("llama/expected.safetensors")`, `fixture("tinystories-656k.expected.safetensors")`. */
export async function readExpected(path: string): Promise<ExpectedCase[]> {
  const { tensors } = await readSafetensorsHeader(path);
  const bytes = await Deno.readFile(path);
  const cases: ExpectedCase[] = [];
  for (let c = 0; tensors.has(`${c}.ids`); c++) {
    const { shape } = tensors.get(`${c}.logits`)!;
    cases.push({
      ids: new Int32Array(slice(bytes, tensors.get(`${c}.ids`)!)),
      logits: new Float32Array(slice(bytes, tensors.get(`${c}.logits`)!)),
      rows: shape[0]!,
      greedy: new Int32Array(slice(bytes, tensors.get(`${c}.greedy`)!)),
    });
  }
  return cases;
}

/** Path below `../shared/data`, or `null` with a notice where that is absent. */
export function sharedData(name: string): string | null {
  const path = fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
  try {
    Deno.statSync(path);
    return path;
  } catch {
    console.log(`Skipped what needs ../shared/data/${name}: it is not there`);
    return null;
  }
}

function slice(bytes: Uint8Array<ArrayBuffer>, { begin, end }: TensorEntry): ArrayBuffer {
  return bytes.buffer.slice(begin, end);
}
