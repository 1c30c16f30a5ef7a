/** onnxruntime's CPU attention operations, from the npm package `onnxruntime-node`. */
import type { PeerProgram } from "./child_peer.ts";
import { denoCommand } from "./deno_command.ts";
import { attentionBytes } from "./memory.ts";

/** Programs of both operations. */
export const ONNXRUNTIME: readonly PeerProgram[] = [
  {
    ...named("GroupQueryAttention"),
    refuses: ({ dtype }) => dtype === "bf16" ? "it has no bf16 attention on CPUs" : undefined,
    // Only the f32 kernel is a fused one.
    memoryBytes: (c) => attentionBytes(c, c.dtype !== "f32"),
  },
  {
    ...named("MultiHeadAttention"),
    refuses: ({ dtype, heads, kvHeads }) => {
      if (dtype !== "f32") return `it has no ${dtype} attention on CPUs`;
      return heads === kvHeads ? undefined : "each query head must have a KV head of its own";
    },
    // Its fused kernel knows no causal mask.
    memoryBytes: (c) => attentionBytes(c, c.kind === "prefill"),
  },
];

function named(operation: string): Pick<PeerProgram, "name" | "command"> {
  const module = import.meta.resolve("./onnxruntime_child.ts");
  return { name: `onnxruntime ${operation}`, command: () => denoCommand(module, operation) };
}
