/** Small sizes, a made-up result and a made-up peer. */
import type { Backend, KeyPlan, TilePlan } from "../../ffi/backend.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import type { Peer, PeerCase, PeerFinder } from "../../lib/bench/peer.ts";
import type { BenchResult, BenchRow } from "../../lib/bench/result.ts";
import type { Sizes } from "../../lib/bench/sizes.ts";

/** Every family in milliseconds. */
export const TINY_SIZES: Sizes = {
  tokens: [128, 320],
  sparseTokens: [320],
  builtTokens: [320],
  compared: { prefill: [320], decode: [128] },
  kinds: [
    { dim: 32, dtype: "bf16" },
    { dim: 64, dtype: "f32" },
    { dim: 32, dtype: "int8" },
  ],
  groups: [1, 4],
  tileShares: [0.25],
  keyShares: [0.2],
  decodeKvHeads: [2, 3],
  rows: [5, 1],
  hidden: [256, 320],
};

/** The native backend; null, with a notice, where it cannot be had. */
export async function nativeBackend(): Promise<Backend | null> {
  try {
    return await openBackend({ backend: "cpu", threads: 2 });
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
    console.log(`Skips what the benchmark measures: ${error.message}`);
    return null;
  }
}

/** Plans that a backend was given. */
export interface SeenPlans {
  readonly tiles: (readonly TilePlan[])[];
  readonly keys: (readonly KeyPlan[])[];
}

/** A backend that remembers plans in place of running them. */
export function watched(backend: Backend): { backend: Backend; seen: SeenPlans } {
  const seen: SeenPlans = { tiles: [], keys: [] };
  const own: Partial<Backend> = {
    attendTiles: (_q, _start, _scale, _kv, plans) => void seen.tiles.push(plans),
    attendKeys: (_q, _scale, _kv, plans) => void seen.keys.push(plans),
  };
  const proxy = new Proxy(backend, {
    get: (target, name) => {
      const value = Reflect.get(own, name) ?? Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { backend: proxy, seen };
}

/** A peer that takes as long as it is told and remembers what it was asked. */
export class FakePeer implements Peer {
  readonly name: string;
  readonly version = "1.2.3";
  readonly asked: PeerCase[] = [];
  closed = 0;
  readonly #answer: (c: PeerCase) => readonly number[];

  constructor(name: string, answer: (c: PeerCase) => readonly number[] = () => [7, 9, 8]) {
    this.name = name;
    this.#answer = answer;
  }

  accepts({ dtype }: PeerCase): string | undefined {
    return dtype === "bf16" ? "it has no bf16" : undefined;
  }

  // deno-lint-ignore require-await -- a promise, as a failing child's answer is
  async measure(c: PeerCase): Promise<{ milliseconds: readonly number[]; note: string }> {
    this.asked.push(c);
    return { milliseconds: this.#answer(c), note: "made up" };
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

/** Finds a peer that is there. */
export function finderOf(peer: Peer): PeerFinder {
  return { name: peer.name, find: () => Promise.resolve(peer) };
}

const SPREAD = { median: 10, low: 9, high: 12, least: 8.5, count: 7 };

/** A row of a dense prefill that takes 10 ms and could take 5. */
export const ROW: BenchRow = {
  kernel: "dense prefill",
  shape: "n=4K d=128 heads=4/1 bf16",
  ...{ tokens: 4096, heads: 4, kvHeads: 1, dim: 128 },
  dtype: "bf16",
  ...{ share: 1, flops: 2e9, trafficBytes: 1e7 },
  ms: SPREAD,
  limit: { name: "avx2 f32 peak", rate: 400, unit: "GFLOP/s", ms: 5 },
  beside: [
    {
      name: "other",
      dtype: "f32",
      ms: { ...SPREAD, median: 32 },
      ratio: 3.2,
      note: "queries f32",
    },
    { name: "absent", dtype: "bf16", ms: null, ratio: null, note: "it has no bf16" },
  ],
};

/** A row of a sparse decode that takes 0.25 ms where dense takes 2. */
export const SPARSE_ROW: BenchRow = {
  ...ROW,
  kernel: "sparse decode",
  shape: "n=16K d=128 heads=8/8 bf16 10 %",
  ...{ tokens: 16384, heads: 8, kvHeads: 8 },
  ...{ share: 0.1, flops: 1e6, trafficBytes: 2e6 },
  ms: { median: 0.25, low: 0.24, high: 0.26, least: 0.23, count: 900 },
  limit: { name: "read of 64 MB", rate: 20, unit: "GB/s", ms: 0.1 },
  beside: [{
    name: "dense",
    dtype: "bf16",
    ms: { ...SPREAD, median: 2 },
    ratio: 8,
    note: null,
  }],
};

/** A whole result. */
export const RESULT: BenchResult = {
  version: 1,
  startedAt: "2026-01-02T03:04:05.678Z",
  seconds: 61.5,
  finished: true,
  loadBefore: 0.1,
  machine: {
    ...{ cpu: "A CPU", cores: 2, memoryBytes: 8 * 2 ** 30, os: "linux 6.1 x86_64" },
    ...{ isa: "avx2", available: ["avx2", "portable"], threads: 2 },
    ...{ deno: "2.9.4", longlens: "0.1.0", sources: "0123456789abcdef", compiler: "c++ 12" },
  },
  ceilings: {
    read: [65536, 524288, 67108864].flatMap((bytes) => [
      { bytes, threads: 1, gbps: 60 - bytes / 2e6 },
      { bytes, threads: 2, gbps: 100 - bytes / 1e6 },
    ]),
    peaks: [
      { unit: "portable", threads: 1, gflops: 50 },
      { unit: "avx2", threads: 1, gflops: 210 },
      { unit: "portable", threads: 2, gflops: 100 },
      { unit: "avx2", threads: 2, gflops: 400 },
    ],
    emptyCallMs: 0.0123,
  },
  peers: [
    { name: "other", version: "1.2", missing: null },
    { name: "gone", version: null, missing: "there is no such program" },
  ],
  rows: [ROW, { ...ROW, shape: "n=1K d=128 heads=4/1 bf16", tokens: 1024 }, SPARSE_ROW],
  skipped: [{ name: "dense decode n=128K", reason: "it would take 9 GB of memory" }],
  models: null,
};
