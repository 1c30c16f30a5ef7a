/** A run over whole models: the ceilings first, then model after model, each with an equal part of the time that is left. */
import type { Backend } from "../../../ffi/backend.ts";
import { ModelFormatError, TokenizerError } from "../../engine/errors.ts";
import { freeMemoryBytes } from "../../engine/free_memory.ts";
import { type Ceilings, type Limit, limitOf, sizeText, type Work } from "../ceilings.ts";
import type { CeilingsLibrary } from "../ceilings_library.ts";
import { describeMachine } from "../machine.ts";
import type { Beside, FoundPeer, SkippedCase } from "../result.ts";
import type { BenchProgress } from "../run_bench.ts";
import { runCeilings } from "../run_ceilings.ts";
import { runToEnd } from "../run_to_end.ts";
import { spreadOf } from "../statistics.ts";
import { measureModel, type ModelTimes } from "./measure_model.ts";
import { type ModelCase, modelCaseName, type ModelFile } from "./model_case.ts";
import type { ModelPeer, ModelPeerFinder } from "./model_peer.ts";
import { decodeWork, kvBytes, prefillWork } from "./model_work.ts";
import { ModelPace } from "./model_pace.ts";
import type { Agreement, ModelRow, ModelsResult } from "./models_result.ts";
import { OwnModel } from "./own_model.ts";

/** Options of {@link runModels}. */
export interface ModelsOptions {
  /** The backend that is measured. */
  readonly backend: Backend;
  /** What is measured, model by model, the shortest text first. */
  readonly cases: readonly ModelCase[];
  /** A text with enough tokens for the longest. */
  readonly text: string;
  /** Seconds it may take. */
  readonly seconds: number;
  /** What it is compared with; null for nothing. */
  readonly peer: ModelPeerFinder | null;
  /**
   * Working sets whose reading is measured, in bytes.
   * @default 64 KB to 2 GB
   */
  readonly workingSets?: readonly number[];
  /** Called when something begins. */
  readonly onProgress?: (progress: BenchProgress) => void;
  /** Stops the run; what was measured until then is its result. */
  readonly signal?: AbortSignal;
}

/** A text that was begun may take so many times what was guessed before the other program is ended. */
const PATIENCE = 2;
/** Part of the free memory that keys and values of both programs may take. */
const MEMORY_SHARE = 0.5;

/** Runs the benchmark of whole models. */
export function runModels(options: ModelsOptions): Promise<ModelsResult> {
  return runToEnd(() => new Run(options), options.signal);
}

/** Work, and what limits it. */
interface Limited {
  readonly work: Work;
  readonly limit: Limit;
}

class Run {
  readonly #options: ModelsOptions;
  readonly #start = performance.now();
  readonly #startedAt = new Date().toISOString();
  readonly #loadBefore = Deno.loadavg()[0]!;
  readonly #rows: ModelRow[] = [];
  readonly #skipped: SkippedCase[] = [];
  readonly #found: FoundPeer[] = [];
  readonly #signal: AbortSignal;
  #peer: ModelPeer | null = null;
  #ceilings: Ceilings | null = null;
  #finished = false;

  constructor(options: ModelsOptions) {
    this.#options = options;
    this.#signal = options.signal ?? new AbortController().signal;
  }

  async all(library: CeilingsLibrary): Promise<void> {
    const { cases } = this.#options;
    this.#ceilings = await runCeilings(library, {
      ...this.#options,
      onProgress: (share, what) => this.#options.onProgress?.({ share, msLeft: null, what }),
    });
    await this.#findPeer();
    const models = [...Map.groupBy(cases, ({ model }) => model)];
    for (const [i, [model, own]] of models.entries()) {
      const now = performance.now();
      await this.#measureFile(model, own, now + (this.#deadline - now) / (models.length - i));
    }
    this.#finished = true;
  }

  async close(): Promise<void> {
    await this.#peer?.close();
  }

  async result(): Promise<ModelsResult> {
    return {
      startedAt: this.#startedAt,
      seconds: (performance.now() - this.#start) / 1000,
      finished: this.#finished,
      loadBefore: this.#loadBefore,
      machine: await describeMachine(this.#options.backend.info()),
      ceilings: this.#ceilings,
      peers: this.#found,
      rows: this.#rows,
      skipped: this.#skipped,
    };
  }

  async #findPeer(): Promise<void> {
    const { peer: finder } = this.#options;
    if (finder === null) return;
    this.#signal.throwIfAborted();
    const found = await finder.find();
    const [version, missing] = "missing" in found ? [null, found.missing] : [found.version, null];
    this.#found.push({ name: finder.name, version, missing });
    if (!("missing" in found)) this.#peer = found;
  }

  async #measureFile(
    model: ModelFile,
    cases: readonly ModelCase[],
    deadline: number,
  ): Promise<void> {
    const own = await this.#load(model);
    if (typeof own === "string") return this.#skip(cases, own);
    try {
      const pace = new ModelPace(this.#peer !== null);
      for (const one of cases) {
        this.#signal.throwIfAborted();
        await this.#measureCase(one, own, pace, deadline);
      }
    } finally {
      own.close();
    }
  }

  /** The model, or why it cannot be run. */
  async #load({ path }: ModelFile): Promise<OwnModel | string> {
    try {
      return await OwnModel.load(path, this.#options.backend.info().threads, this.#signal);
    } catch (error) {
      if (!(error instanceof ModelFormatError || error instanceof TokenizerError)) throw error;
      return error.message;
    }
  }

  async #measureCase(
    one: ModelCase,
    own: OwnModel,
    pace: ModelPace,
    deadline: number,
  ): Promise<void> {
    const { text, backend } = this.#options;
    const { tokens, model } = one;
    const prefill = this.#limited(prefillWork(own.config, tokens, model.matrixBytes));
    const decode = this.#limited(decodeWork(own.config, tokens, model.matrixBytes));
    const neededMs = pace.leastMs(prefill.limit.ms, decode.limit.ms);
    const leftMs = deadline - performance.now();
    const reason = this.#reasonNot(own, tokens, neededMs, leftMs);
    if (reason !== undefined) return this.#skip([one], reason);
    this.#tell(modelCaseName(one));
    const times = await measureModel({
      ...{ path: model.path, own, peer: this.#peer, threads: backend.info().threads },
      ids: own.ids(text, tokens),
      ms: Math.min(leftMs, pace.wantedMs(prefill.limit.ms, decode.limit.ms)),
      deadline: Math.max(deadline, performance.now() + PATIENCE * neededMs),
      signal: this.#signal,
    });
    pace.learn(prefill.limit.ms, times);
    this.#rows.push(
      this.#row(one, "prefill", prefill, times),
      this.#row(one, "decode", decode, times),
    );
  }

  #limited(work: Work): Limited {
    const { isa, threads } = this.#options.backend.info();
    return { work, limit: limitOf(this.#ceilings!, work, isa, threads) };
  }

  #row(
    { model, tokens }: ModelCase,
    task: ModelRow["task"],
    { work: { flops, trafficBytes }, limit }: Limited,
    times: ModelTimes,
  ): ModelRow {
    const ms = spreadOf(times[task].ours);
    const beside = this.#peer === null ? [] : [besideOf(this.#peer.name, task, times)];
    const agreement = agreementOf(times.gaps);
    const { name, weights, contextLength } = model;
    return {
      ...{ model: name, weights, contextLength, task, tokens, flops, trafficBytes },
      ...{ ms, limit, beside, agreement },
    };
  }

  #reasonNot(own: OwnModel, tokens: number, neededMs: number, leftMs: number) {
    const bytes = (this.#peer === null ? 1 : 2) * kvBytes(own.config, tokens);
    const room = MEMORY_SHARE * freeMemoryBytes();
    if (bytes > room) {
      return `it would take ${sizeText(bytes)} of memory, and ${sizeText(room)} may be taken`;
    }
    if (neededMs <= leftMs) return undefined;
    const [needs, has] = [neededMs, Math.max(0, leftMs)].map((ms) => (ms / 1000).toFixed(0));
    return `it would take about ${needs} s, and the model had ${has} s left`;
  }

  #skip(cases: readonly ModelCase[], reason: string): void {
    this.#skipped.push(...cases.map((one) => ({ name: modelCaseName(one), reason })));
  }

  get #deadline(): number {
    return this.#start + 1000 * this.#options.seconds;
  }

  #tell(what: string): void {
    const msLeft = Math.max(0, this.#deadline - performance.now());
    const share = 1 - msLeft / (1000 * this.#options.seconds);
    this.#options.onProgress?.({ share, msLeft, what });
  }
}

function besideOf(name: string, task: ModelRow["task"], times: ModelTimes): Beside {
  const { ours, peer } = times[task];
  const ms = peer.length === 0 ? null : spreadOf(peer);
  const ratio = ms && ms.median / spreadOf(ours).median;
  return { name, dtype: "f16", ms, ratio, note: times.failure };
}

function agreementOf(gaps: readonly number[]): Agreement | null {
  if (gaps.length === 0) return null;
  const same = gaps.filter((gap) => gap === 0).length;
  return { same, of: gaps.length, widestGap: Math.max(...gaps) };
}
