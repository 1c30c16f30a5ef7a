/**
 * llama.cpp's flash attention on the CPU, from the libraries of the npm package `@node-llama-cpp`, or from a folder that
 * `LONGLENS_GGML` names, such as `llama_cpp/lib` of the Python package `llama-cpp-python`.
 */
import type { PeerCase } from "../peer.ts";
import type { PeerProgram } from "./child_peer.ts";
import { llamaCommand } from "./llama_folder.ts";
import { arraysBytes, DENO_BYTES } from "./memory.ts";
import { rowsOf } from "./protocol.ts";

/** How llama.cpp is measured. */
export const LLAMA: PeerProgram = {
  name: "llama.cpp flash attention",
  command: () => llamaCommand(import.meta.resolve("./llama_child.ts")),
  refuses: () => undefined,
  memoryBytes,
};

/** Random f32, its tensors, and of one of K and V what is laid out; q8_0 tensors are smaller. */
const copiesOf = (dtype: PeerCase["dtype"]) => dtype === "q8_0" ? 2 : 2.5;

/** Its f16 masks hold the lower half of all scores, once for all heads. */
function memoryBytes(c: PeerCase): number {
  const child = { processBytes: DENO_BYTES, copies: copiesOf(c.dtype) };
  return arraysBytes(c, child) + (c.kind === "prefill" ? rowsOf(c) * c.tokens : 0);
}
