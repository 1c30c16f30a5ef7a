/** The programs that kernels are measured beside. */
import type { PeerFinder } from "../peer.ts";
import { childFinder } from "./child_peer.ts";
import { LLAMA } from "./llama.ts";
import { ONNXRUNTIME } from "./onnxruntime.ts";
import { TORCH } from "./torch.ts";

/** All peers that are looked for. */
export const PEERS: readonly PeerFinder[] = [...ONNXRUNTIME, LLAMA, TORCH].map(childFinder);
