/** Measures one text with one model: ours and another program in turn, on the same ids. */
import { GENERATED } from "./model_case.ts";
import type { ModelPeer, PeerPatience } from "./model_peer.ts";
import type { OwnModel } from "./own_model.ts";

/** How it is measured. */
export interface MeasureModelOptions {
  /** Path of the model. */
  readonly path: string;
  /** Ours. */
  readonly own: OwnModel;
  /** What it is compared with; null for nothing. */
  readonly peer: ModelPeer | null;
  /** The text. */
  readonly ids: Int32Array;
  /** Threads of both. */
  readonly threads: number;
  /** Milliseconds for all of it; the first repetition is not counted. */
  readonly ms: number;
  /** When the peer is ended, by `performance.now()`. */
  readonly deadline: number;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** What both took, repetition by repetition. */
export interface ModelTimes {
  /** Milliseconds to read the text and choose the token that follows. */
  readonly prefill: { readonly ours: readonly number[]; readonly peer: readonly number[] };
  /** Milliseconds for each token behind it. */
  readonly decode: { readonly ours: readonly number[]; readonly peer: readonly number[] };
  /** For each choice of ours, how far the peer's logit of it is below the peer's best; empty without a peer. */
  readonly gaps: readonly number[];
  /** Why there is nothing of the peer, or no more; null where all went well. */
  readonly failure: string | null;
}

/** Tokens that pass through a model together: the default of both programs. */
const BATCH_TOKENS = 512;
/** Room in the peer's context behind the text and what is generated: the warm-up's choice. */
const ROOM_TOKENS = 8;
/** Tokens that are read, and generated, before anything is measured. */
const WARM_UP = { read: 512, generated: 4 };
/** Part of the time after which no text is read again. */
const PREFILL_SHARE = 0.7;
/** Repetitions: of reading, and of generating. */
const MOST_READ = 10;
const LEAST_GENERATED = 3;
const MOST_GENERATED = 20;

/** Measures a text. */
export async function measureModel(options: MeasureModelOptions): Promise<ModelTimes> {
  const turns = new Turns(options);
  await turns.warmUp();
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  for (let count = 0, last = 0; count < MOST_READ; count++) {
    if (count > 0 && elapsed() + last > PREFILL_SHARE * options.ms) break;
    const began = performance.now();
    await turns.read();
    last = performance.now() - began;
  }
  for (let count = 0; count < MOST_GENERATED; count++) {
    if (count >= LEAST_GENERATED && elapsed() > options.ms) break;
    await turns.generate();
  }
  return turns.times;
}

/** One of ours, then one of the peer's, whose failure ends only its part. */
class Turns {
  readonly times = {
    prefill: { ours: [] as number[], peer: [] as number[] },
    decode: { ours: [] as number[], peer: [] as number[] },
    gaps: [] as readonly number[],
    failure: null as string | null,
  };
  readonly #options: MeasureModelOptions;
  #chosen = -1;
  #firstGap: readonly number[] = [];

  constructor(options: MeasureModelOptions) {
    this.#options = options;
  }

  async warmUp(): Promise<void> {
    const { path, own, ids, threads, signal } = this.#options;
    const contextTokens = ids.length + GENERATED + ROOM_TOKENS;
    await this.#withPeer((peer, patience) =>
      peer.open({ path, threads, contextTokens, batchTokens: BATCH_TOKENS }, patience)
    );
    const some = ids.slice(0, WARM_UP.read);
    const { chosen } = await own.read(some, signal);
    const after = await own.generate(WARM_UP.generated, signal);
    await this.#withPeer(async (peer, patience) => {
      await peer.read({ ids: [...some], chosen }, patience);
      await peer.decode({ after: some.length, ids: [chosen, ...after.ids] }, patience);
    });
  }

  async read(): Promise<void> {
    const { own, ids, signal } = this.#options;
    const { ms, chosen } = await own.read(ids, signal);
    this.#chosen = chosen;
    this.times.prefill.ours.push(ms);
    await this.#withPeer(async (peer, patience) => {
      const { ms, gaps } = await peer.read({ ids: [...ids], chosen }, patience);
      this.times.prefill.peer.push(ms);
      this.#firstGap = this.times.gaps = gaps;
    });
  }

  async generate(): Promise<void> {
    const { own, ids, signal } = this.#options;
    const { ms, ids: generated } = await own.generate(GENERATED, signal);
    this.times.decode.ours.push(ms / GENERATED);
    await this.#withPeer(async (peer, patience) => {
      const request = { after: ids.length, ids: [this.#chosen, ...generated] };
      const { ms, gaps } = await peer.decode(request, patience);
      this.times.decode.peer.push(ms / GENERATED);
      this.times.gaps = [...this.#firstGap, ...gaps];
    });
  }

  async #withPeer(
    work: (peer: ModelPeer, patience: PeerPatience) => Promise<void>,
  ): Promise<void> {
    const { peer, deadline, signal } = this.#options;
    if (peer === null || this.times.failure !== null) return;
    const timeoutMs = Math.max(1000, Math.ceil(deadline - performance.now()));
    try {
      await work(peer, { timeoutMs, signal });
    } catch (error) {
      signal.throwIfAborted();
      this.times.failure = (error as Error).message.split("\n")[0]!;
    }
  }
}
