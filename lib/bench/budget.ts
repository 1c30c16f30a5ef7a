/** How the time of a run is divided among its cases. */
import type { BenchCase } from "./bench_case.ts";
import { type Ceilings, limitOf } from "./ceilings.ts";

/** Kernels are guessed to take so many times as long as their ceiling allows. */
const GUESS = 2;
/** Repetitions that a slow case should get. */
const REPETITIONS = 5;
/** Time that a fast case should get for its repetitions. */
const LEAST_MS = 700;
/** A peer's start, data and warm-up, in milliseconds and in repetitions of ours. */
const PEER = { ms: 1500, repetitions: 6 };
/** Bytes of random data that are made in a millisecond. */
const BYTES_PER_MS = 500_000;

/** What a case is guessed to take. */
export interface CaseTime {
  /** Milliseconds until its tensors are there. */
  readonly setupMs: number;
  /** Milliseconds of a repetition of ours, and of the dense call that is taken in turn with it. */
  readonly repetitionMs: number;
  /** Milliseconds that it should get, peers included. */
  readonly wantedMs: number;
}

/** Guesses the times of a case from the ceilings. */
export function timeOf(
  one: BenchCase,
  ceilings: Ceilings,
  isa: string,
  threads: number,
  peers: number,
): CaseTime {
  const limit = limitOf(ceilings, one, isa, threads).ms;
  const dense = one.denseFlops > 0 ? limit * one.denseFlops / one.flops : 0;
  const repetitionMs = GUESS * (limit + dense);
  const setupMs = one.memoryBytes / BYTES_PER_MS;
  const own = setupMs + Math.max(LEAST_MS, REPETITIONS * repetitionMs);
  const asked = one.peers === null ? 0 : peers;
  const peerMs = PEER.ms + 2 * setupMs + LEAST_MS + PEER.repetitions * repetitionMs;
  return { setupMs, repetitionMs, wantedMs: own + asked * peerMs };
}

/** Milliseconds that the first of `wanted` gets of `leftMs`: what it wants, or its share where time is short. */
export function allotted(wanted: readonly number[], leftMs: number): number {
  const all = wanted.reduce((sum, ms) => sum + ms, 0);
  return wanted[0]! * Math.min(1, Math.max(0, leftMs) / all);
}
