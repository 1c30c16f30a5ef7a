/** Measures one case: our kernel, and whatever it is compared with, in turn. */
import type { Backend, RunControl } from "../../ffi/backend.ts";
import type { BenchCase, OpenCase } from "./bench_case.ts";
import type { Peer } from "./peer.ts";
import type { PeerTypes } from "./peer_types.ts";
import { RandomRows } from "./random_rows.ts";
import { inTurn } from "./repetitions.ts";
import type { BenchRow, Beside } from "./result.ts";
import { spreadOf } from "./statistics.ts";

/** How a case is measured. */
export interface MeasureOptions {
  /** The backend that is measured. */
  readonly backend: Backend;
  /** Peers that may be compared with it. */
  readonly peers: readonly Peer[];
  /** Finds the type in which a peer is fastest. */
  readonly types: PeerTypes;
  /** Threads of everybody. */
  readonly threads: number;
  /** Seed of the random data. */
  readonly seed: number;
  /** Milliseconds for all of it. */
  readonly ms: number;
  /** When the time is over that peers may take, by `performance.now()`: the rest is for later cases. */
  readonly deadline: number;
  /** Cancels our kernel. */
  readonly control: RunControl;
  /** Stops peers. */
  readonly signal: AbortSignal;
}

/** Repetitions of ours before the first peer. */
const LEAST = 3;
/** Least seconds that a peer gets for its repetitions. */
const LEAST_SECONDS = 0.3;

/** Measures a case; what limits it is not known here. */
export async function measureCase(
  one: BenchCase,
  options: MeasureOptions,
): Promise<Omit<BenchRow, "limit">> {
  const { backend, seed } = options;
  const opened = await one.open({ backend, data: new RandomRows(seed) });
  try {
    const { ours, dense, peers } = await measured(one, opened, options);
    const { kernel, shape, tokens, heads, kvHeads, dim, dtype, share, flops, trafficBytes } = one;
    const median = spreadOf(ours).median;
    const denseRows = dense.length > 0 ? [{ name: "dense", dtype, milliseconds: dense }] : [];
    return {
      ...{ kernel, shape, tokens, heads, kvHeads, dim, dtype, share, flops, trafficBytes },
      ms: spreadOf(ours),
      beside: [...denseRows, ...peers].map((times) => besideOf(times, median)),
    };
  } finally {
    opened.close();
  }
}

/** Times of something that was measured beside our kernel, or why there are none. */
interface BesideTimes {
  readonly name: string;
  readonly dtype: string;
  readonly milliseconds?: readonly number[];
  readonly note?: string | undefined;
}

function besideOf({ name, dtype, milliseconds, note = undefined }: BesideTimes, ours: number) {
  const ms = milliseconds === undefined ? null : spreadOf(milliseconds);
  const ratio = ms && ms.median / ours;
  return { name, dtype, ms, ratio, note: note ?? null } satisfies Beside;
}

/** Ours before the first peer, between two and after the last: what changes with time meets all of them. */
async function measured(
  one: BenchCase,
  { run, dense }: OpenCase,
  options: MeasureOptions,
): Promise<{ ours: number[]; dense: number[]; peers: BesideTimes[] }> {
  const { control, ms } = options;
  const calls = dense ? [run, dense] : [run];
  const rivals = one.peers === null ? [] : options.peers;
  const slice = ms / (2 * rivals.length + 1);
  await inTurn(calls, { ms: 0, least: 1, control }); // caches, page tables, threads
  const times = await inTurn(calls, { ms: slice, least: LEAST, control });
  const peers: BesideTimes[] = [];
  for (const peer of rivals) {
    const beside = await measurePeer(peer, one, slice, options);
    peers.push(beside);
    if (beside.milliseconds === undefined) continue;
    const more = await inTurn(calls, { ms: slice / 2, least: 1, control });
    more.forEach((values, i) => times[i]!.push(...values));
  }
  return { ours: times[0]!, dense: times[1] ?? [], peers };
}

async function measurePeer(
  peer: Peer,
  one: BenchCase,
  ms: number,
  { threads, seed, deadline, signal, types }: MeasureOptions,
): Promise<BesideTimes> {
  const { name } = peer;
  const left = deadline - performance.now();
  if (left <= 0) return { name, dtype: one.dtype, note: "no time was left for it" };
  const over = AbortSignal.timeout(left);
  const either = AbortSignal.any([signal, over]);
  const asked = { ...one.peers!, threads, seed, seconds: Math.max(LEAST_SECONDS, ms / 1000) };
  try {
    const chosen = await types.choose(peer, asked, one.dtype, either);
    if (typeof chosen === "string") return { name, dtype: one.dtype, note: chosen };
    return { name, dtype: chosen.dtype, ...await peer.measure(chosen, either) };
  } catch (error) {
    signal.throwIfAborted();
    const note = over.aborted
      ? "it did not end in the time that was left for it"
      : (error as Error).message.split("\n")[0]!;
    return { name, dtype: one.dtype, note };
  }
}
