/** A run of the benchmark: the ceilings first, then case after case within the time there is, the shortest first. */
import type { Backend } from "../../ffi/backend.ts";
import { freeMemoryBytes } from "../engine/free_memory.ts";
import type { BenchCase } from "./bench_case.ts";
import { allotted, type CaseTime, fitting, timeOf } from "./budget.ts";
import { nameOf } from "./cases.ts";
import { type Ceilings, type Limit, limitOf, readAgain, sizeText } from "./ceilings.ts";
import type { CeilingsLibrary } from "./ceilings_library.ts";
import { describeMachine } from "./machine.ts";
import { measureCase } from "./measure_case.ts";
import type { Peer, PeerFinder } from "./peer.ts";
import { PeerTypes } from "./peer_types.ts";
import { type BenchResult, type BenchRow, type FoundPeer, RESULT_VERSION } from "./result.ts";
import type { SkippedCase } from "./result.ts";
import { CEILINGS_SHARE, runCeilings } from "./run_ceilings.ts";
import { runToEnd } from "./run_to_end.ts";

/** How far a run is. */
export interface BenchProgress {
  /** Share that is done, 0 to 1. */
  readonly share: number;
  /** Milliseconds left, as far as one can tell; null before the ceilings are known. */
  readonly msLeft: number | null;
  /** What is measured now. */
  readonly what: string;
}

/** Options of {@link runBench}. */
export interface BenchOptions {
  /** The backend that is measured. */
  readonly backend: Backend;
  /** What is measured, the shortest first; rows of the result are in this order. */
  readonly cases: readonly BenchCase[];
  /** Seconds it may take. */
  readonly seconds: number;
  /**
   * What it is compared with, where that is there.
   * @default none
   */
  readonly peers?: readonly PeerFinder[];
  /**
   * Seed of the random data.
   * @default 0
   */
  readonly seed?: number;
  /**
   * Working sets whose reading is measured, in bytes.
   * @default 64 KB to 2 GB
   */
  readonly workingSets?: readonly number[];
  /**
   * Bytes that a case may take.
   * @default half of the memory that is free when it begins
   */
  readonly memoryBytes?: number;
  /** Called when something begins. */
  readonly onProgress?: (progress: BenchProgress) => void;
  /** Called with each row when it is there. */
  readonly onRow?: (row: BenchRow) => void | Promise<void>;
  /** Stops the run; what was measured until then is its result. */
  readonly signal?: AbortSignal;
}

/** Part of the free memory that a case may take. */
const MEMORY_SHARE = 0.5;
/** Seconds that the reading of a working set is measured behind a case, and their most of a run. */
const [READ_SECONDS, READ_SHARE] = [0.15, 5e-4];
/** Bytes that a thread reads at least. */
const LEAST_READ = 2 ** 14;
/** Part of the time left that peers do not take from the cases that follow. */
const RESERVED_SHARE = 0.5;

/** Runs the benchmark. */
export function runBench(options: BenchOptions): Promise<BenchResult> {
  return runToEnd(() => new Run(options), options.signal);
}

/** A case and what it is guessed to take. */
interface Planned {
  readonly one: BenchCase;
  readonly time: CaseTime;
}

class Run {
  readonly #options: BenchOptions;
  readonly #start = performance.now();
  readonly #startedAt = new Date().toISOString();
  readonly #loadBefore = Deno.loadavg()[0]!;
  readonly #rows = new Map<BenchCase, BenchRow>();
  readonly #skipped = new Map<BenchCase, SkippedCase>();
  readonly #found: FoundPeer[] = [];
  readonly #peers: Peer[] = [];
  readonly #types = new PeerTypes();
  readonly #signal: AbortSignal;
  #ceilings: Ceilings | null = null;
  #finished = false;

  constructor(options: BenchOptions) {
    this.#options = options;
    this.#signal = options.signal ?? new AbortController().signal;
  }

  async all(library: CeilingsLibrary): Promise<void> {
    this.#ceilings = await runCeilings(library, {
      ...this.#options,
      onProgress: (share, what) => this.#options.onProgress?.({ share, msLeft: null, what }),
    });
    await this.#findPeers();
    await this.#measureCases(library, this.#ceilings);
    this.#finished = true;
  }

  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.close()));
  }

  async result(): Promise<BenchResult> {
    const { backend, cases } = this.#options;
    return {
      version: RESULT_VERSION,
      startedAt: this.#startedAt,
      seconds: (performance.now() - this.#start) / 1000,
      finished: this.#finished,
      loadBefore: this.#loadBefore,
      machine: await describeMachine(backend.info()),
      ceilings: this.#ceilings,
      peers: this.#found,
      rows: cases.flatMap((one) => this.#rows.get(one) ?? []),
      skipped: cases.flatMap((one) => this.#skipped.get(one) ?? []),
      models: null,
    };
  }

  get #deadline(): number {
    return this.#start + 1000 * this.#options.seconds;
  }

  async #findPeers(): Promise<void> {
    if (this.#options.cases.every(({ peers }) => peers === null)) return;
    for (const finder of this.#options.peers ?? []) {
      this.#signal.throwIfAborted();
      const what = `looking for ${finder.name}`;
      this.#options.onProgress?.({ share: CEILINGS_SHARE, msLeft: null, what });
      this.#take(finder, await finder.find());
    }
  }

  #take({ name }: PeerFinder, found: Peer | { readonly missing: string }): void {
    if ("missing" in found) {
      this.#found.push({ name, version: null, missing: found.missing });
      return;
    }
    this.#peers.push(found);
    this.#found.push({ name: found.name, version: found.version, missing: null });
  }

  async #measureCases(library: CeilingsLibrary, ceilings: Ceilings): Promise<void> {
    const { backend, cases } = this.#options;
    const { isa, threads } = backend.info();
    const planned = cases.map((one): Planned => {
      return { one, time: timeOf(one, ceilings, isa, threads, this.#peers.length) };
    }).sort((a, b) => a.time.leastMs - b.time.leastMs);
    const control = backend.control();
    const cancel = () => control.cancel();
    this.#signal.addEventListener("abort", cancel);
    try {
      for (const [i, { one }] of planned.entries()) {
        this.#signal.throwIfAborted();
        const times = planned.slice(i).map(({ time }) => time);
        await this.#measureCase(one, times, { library, ceilings, control });
      }
    } finally {
      this.#signal.removeEventListener("abort", cancel);
    }
  }

  async #measureCase(
    one: BenchCase,
    times: readonly CaseTime[],
    { library, ceilings, control }: {
      library: CeilingsLibrary;
      ceilings: Ceilings;
      control: ReturnType<Backend["control"]>;
    },
  ): Promise<void> {
    const { backend, seed = 0, onRow } = this.#options;
    const [own, ...later] = times as [CaseTime, ...CaseTime[]];
    const reason = this.#reasonNot(one, own.leastMs);
    if (reason !== undefined) {
      this.#skipped.set(one, { name: nameOf(one), reason });
      return;
    }
    this.#tell(one, times);
    const { threads } = backend.info();
    const measured = await measureCase(one, {
      ...{ backend, threads, seed, control, signal: this.#signal },
      deadline: this.#deadline - this.#reservedMs(later),
      peers: this.#peers,
      types: this.#types,
      ms: this.#allottedMs(times) - own.setupMs,
    });
    const row = { ...measured, limit: await this.#limitNow(library, ceilings, one) };
    this.#rows.set(one, row);
    await onRow?.(row);
  }

  /** What limits a case, with the reading of its working set as it is right behind it. */
  async #limitNow(
    library: CeilingsLibrary,
    ceilings: Ceilings,
    one: BenchCase,
  ): Promise<Limit> {
    const { isa, threads } = this.#options.backend.info();
    const limit = limitOf(ceilings, one, isa, threads);
    const bytes = Math.ceil(one.workingSetBytes);
    const isReadable = bytes >= LEAST_READ * threads && bytes <= MEMORY_SHARE * freeMemoryBytes();
    if (limit.unit !== "GB/s" || !isReadable) return limit;
    const seconds = Math.min(READ_SECONDS, READ_SHARE * this.#options.seconds);
    const now = await readAgain(library, ceilings, { bytes, threads, seconds });
    return limitOf(now, one, isa, threads);
  }

  /** What a case gets of the time, the cases that may follow it considered. */
  #allottedMs(times: readonly CaseTime[]): number {
    const left = this.#msLeft;
    const wanted = fitting(times, left).map(({ wantedMs }) => wantedMs);
    return allotted(wanted.length > 0 ? wanted : [times[0]!.wantedMs], left);
  }

  /** What peers leave to later cases. */
  #reservedMs(later: readonly CaseTime[]): number {
    const reserved = fitting(later, RESERVED_SHARE * this.#msLeft);
    return reserved.reduce((sum, { leastMs }) => sum + leastMs, 0);
  }

  get #msLeft(): number {
    return this.#deadline - performance.now();
  }

  #reasonNot({ memoryBytes }: BenchCase, neededMs: number): string | undefined {
    const { memoryBytes: room = MEMORY_SHARE * freeMemoryBytes(), seconds } = this.#options;
    if (memoryBytes > room) {
      return `it would take ${sizeText(memoryBytes)} of memory, and ${sizeText(room)} may be taken`;
    }
    const left = this.#msLeft;
    if (left <= 0) return "the time of the run was over";
    if (neededMs <= left) return undefined;
    const [needs, has] = [neededMs, left].map((ms) => `${secondsText(ms / 1000)} s`);
    return `it would take about ${needs}, and ${has} of ${seconds} s were left`;
  }

  #tell(one: BenchCase, times: readonly CaseTime[]): void {
    const wanted = times.reduce((sum, { wantedMs }) => sum + wantedMs, 0);
    const msLeft = Math.min(wanted, Math.max(0, this.#msLeft));
    const elapsed = performance.now() - this.#start;
    const share = Math.max(CEILINGS_SHARE, elapsed / (elapsed + msLeft));
    this.#options.onProgress?.({ share, msLeft, what: nameOf(one) });
  }
}

function secondsText(seconds: number): string {
  return seconds < 10 ? seconds.toPrecision(2) : seconds.toFixed(0);
}
