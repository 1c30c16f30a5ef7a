/** How the time of a run is divided among its cases. */
import type { BenchCase } from "./bench_case.ts";
import { limitOf, type MachineCeilings } from "./ceilings.ts";

/** Kernels are guessed to take so many times as long as their ceiling allows. */
const GUESS = 2;
/** Repetitions that a slow case should get. */
const REPETITIONS = 5;
/** Time that a fast case should get for its repetitions. */
const LEAST_MS = 700;
/** Repetitions and a warm-up without which a case is not worth to be begun. */
const LEAST_REPETITIONS = 4;
/** A peer's start, and its repetitions with the warm-up, in milliseconds and in repetitions of ours. */
const PEER = { ms: 1500, repetitions: 12 };
/** Bytes of random data that are made in a millisecond; a peer converts and lays out its own a few times. */
const BYTES_PER_MS = 200_000;
const PEER_SETUPS = 3;

/** What a case is guessed to take. */
export interface CaseTime {
  /** Milliseconds until its tensors are there. */
  readonly setupMs: number;
  /** Milliseconds that it takes at least, without peers. */
  readonly leastMs: number;
  /** Milliseconds that it should get, peers included. */
  readonly wantedMs: number;
}

/** Guesses the times of a case from the ceilings. */
export function timeOf(
  one: BenchCase,
  ceilings: MachineCeilings,
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
  const peerMs = PEER.ms + PEER_SETUPS * setupMs + LEAST_MS + PEER.repetitions * repetitionMs;
  const leastMs = setupMs + LEAST_REPETITIONS * repetitionMs;
  return { setupMs, leastMs, wantedMs: own + asked * peerMs };
}

/** As many of the first cases as fit into `leftMs` with the least that each takes. */
export function fitting(times: readonly CaseTime[], leftMs: number): CaseTime[] {
  let sum = 0;
  const end = times.findIndex(({ leastMs }) => (sum += leastMs) > leftMs);
  return end < 0 ? [...times] : times.slice(0, end);
}

/** Milliseconds that the first of `wanted` gets of `leftMs`: what it wants, or its share where time is short. */
export function allotted(wanted: readonly number[], leftMs: number): number {
  const all = wanted.reduce((sum, ms) => sum + ms, 0);
  return wanted[0]! * Math.min(1, Math.max(0, leftMs) / all);
}
