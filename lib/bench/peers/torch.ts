/** PyTorch's `scaled_dot_product_attention` on the CPU, of the Python that `LONGLENS_PYTHON` names or that is on the PATH. */
import { readEnv } from "../../../ffi/permissions.ts";
import type { PeerProgram } from "./child_peer.ts";
import { attentionBytes, type ChildMemory } from "./memory.ts";

/** The random numbers are those that it attends to. */
const CHILD: ChildMemory = { processBytes: 240e6, copies: 1 };
import script from "./torch_child.py" with { type: "text" };

/** How PyTorch is measured. */
export const TORCH: PeerProgram = {
  name: "PyTorch scaled_dot_product_attention",
  command: () => ({
    program: readEnv("LONGLENS_PYTHON") ?? "python3",
    args: ["-c", script],
    // Without it a file torch.py of the working folder would be taken for the package.
    env: { PYTHONSAFEPATH: "1" },
  }),
  refuses: ({ dtype }) => dtype === "q8_0" ? "it has no q8_0 attention on CPUs" : undefined,
  memoryBytes: (c, square) => attentionBytes(c, CHILD, square),
};
