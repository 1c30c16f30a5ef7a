/**
 * llama.cpp's flash attention on the CPU, from the libraries of the npm package `@node-llama-cpp`, or from a folder that
 * `LONGLENS_GGML` names, such as `llama_cpp/lib` of the Python package `llama-cpp-python`.
 */
import { readEnv } from "../../../ffi/permissions.ts";
import type { PeerCase } from "../peer.ts";
import type { PeerProgram } from "./child_peer.ts";
import { denoCommand } from "./deno_command.ts";
import { arraysBytes } from "./memory.ts";
import { rowsOf } from "./protocol.ts";

/** How llama.cpp is measured. */
export const LLAMA: PeerProgram = {
  name: "llama.cpp flash attention",
  command: () => {
    const folder = readEnv("LONGLENS_GGML");
    const args = folder === undefined ? [] : [folder];
    return denoCommand(import.meta.resolve("./llama_child.ts"), ...args);
  },
  refuses: () => undefined,
  memoryBytes,
};

/** Its f16 masks hold the lower half of all scores, once for all heads. */
function memoryBytes(c: PeerCase): number {
  return arraysBytes(c) + (c.kind === "prefill" ? rowsOf(c) * c.tokens : 0);
}
