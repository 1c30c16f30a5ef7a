/** onnxruntime's CPU attention operations, from the npm package `onnxruntime-node`. */
import type { PeerProgram } from "./child_peer.ts";
import { denoCommand } from "./deno_command.ts";
import { attentionBytes, type ChildMemory, DENO_BYTES } from "./memory.ts";

/** Random numbers, and arrays as the operation wants them. */
const CHILD: ChildMemory = { processBytes: DENO_BYTES, copies: 2 };

/** Programs of both operations. */
export const ONNXRUNTIME: readonly PeerProgram[] = [
  {
    ...named("GroupQueryAttention"),
    refuses: ({ dtype }) =>
      dtype === "f32" || dtype === "f16" ? undefined : `it has no ${dtype} attention on CPUs`,
    // Only the f32 kernel is a fused one.
    memoryBytes: (c) => attentionBytes(c, CHILD, c.dtype !== "f32"),
  },
  {
    ...named("MultiHeadAttention"),
    refuses: ({ dtype, heads, kvHeads }) => {
      if (dtype !== "f32") return `it has no ${dtype} attention on CPUs`;
      return heads === kvHeads ? undefined : "each query head must have a KV head of its own";
    },
    // Its fused kernel knows no causal mask.
    memoryBytes: (c) => attentionBytes(c, CHILD, c.kind === "prefill"),
  },
];

function named(operation: string): Pick<PeerProgram, "name" | "command"> {
  const module = import.meta.resolve("./onnxruntime_child.ts");
  return { name: `onnxruntime ${operation}`, command: () => denoCommand(module, operation) };
}
