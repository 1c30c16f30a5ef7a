/** Predicted memory of a peer's child, as it was measured: its process, copies of the data, scores. */
import type { PeerCase } from "../peer.ts";
import { rowsOf } from "./protocol.ts";

/** What a child takes beside scores. */
export interface ChildMemory {
  /** Bytes of the process and the package it loads. */
  readonly processBytes: number;
  /** How many times it holds the data as f32 at once: random data, what is laid out for the peer, tensors. */
  readonly copies: number;
}

/** Bytes of a child of Deno with its package. */
export const DENO_BYTES = 90e6;

/** Bytes of the process, and of q, K, V and the output. */
export function arraysBytes(c: PeerCase, { processBytes, copies }: ChildMemory): number {
  const queries = 2 * rowsOf(c) * c.heads * c.dim;
  const keys = 2 * c.tokens * c.kvHeads * c.dim;
  return processBytes + copies * 4 * (queries + keys);
}

/** As {@link arraysBytes}; without a fused kernel also scores and probabilities of all heads as f32. */
export function attentionBytes(c: PeerCase, child: ChildMemory, square: boolean): number {
  return arraysBytes(c, child) + (square ? 2 * 4 * c.heads * rowsOf(c) * c.tokens : 0);
}
