/** Predicted memory of a peer's child. */
import type { PeerCase } from "../peer.ts";
import { rowsOf } from "./protocol.ts";

/** Bytes of a child and the package it loads. */
const PROCESS_BYTES = 500e6;

/** Random f32 data, what is made of it for the peer, and what the peer makes of that. */
const COPIES = 3;

/** Bytes of the process, and of q, K, V and the output. */
export function arraysBytes(c: PeerCase): number {
  const queries = 2 * rowsOf(c) * c.heads * c.dim;
  const keys = 2 * c.tokens * c.kvHeads * c.dim;
  return PROCESS_BYTES + COPIES * 4 * (queries + keys);
}

/** As {@link arraysBytes}; without a fused kernel also scores and probabilities of all heads as f32. */
export function attentionBytes(c: PeerCase, square: boolean): number {
  return arraysBytes(c) + (square ? 2 * 4 * c.heads * rowsOf(c) * c.tokens : 0);
}
