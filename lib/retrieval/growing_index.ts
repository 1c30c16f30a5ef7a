import type { KvView, RunControl } from "../../ffi/backend.ts";
import { IndexClock } from "./index_clock.ts";
import type { IndexOptions } from "./index_options.ts";
import type {
  IndexAnswer,
  IndexArray,
  IndexQuery,
  IndexStats,
  KvIndex,
  SavedIndex,
} from "./kv_index.ts";

/** Which keys an index covers, and what that took. */
export interface IndexPlace {
  /** First key. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
  /** What building and appending took. */
  readonly clock: IndexClock;
}

/** Where an index begins that covers nothing yet. */
export function emptyPlace({ start }: { readonly start: number }): IndexPlace {
  return { start, end: start, clock: new IndexClock() };
}

/** Where a saved index is. */
export function savedPlace({ start, end, buildMs, appended }: SavedIndex): IndexPlace {
  return { start, end, clock: new IndexClock(buildMs, appended) };
}

/** An index that is extended at its end. Arrays that it shares with forks are copied before they are written. */
export abstract class GrowingIndex<Options extends IndexOptions> implements KvIndex {
  /** First key that it covers. */
  readonly start: number;
  /** Whether a fork has the same arrays. */
  protected isShared = false;
  readonly #clock: IndexClock;
  #end: number;

  /** An index with these options over keys that it knows already. */
  constructor(readonly options: Options, { start, end, clock }: IndexPlace) {
    this.start = start;
    this.#end = end;
    this.#clock = clock;
  }

  /** End of the keys that it covers. */
  get end(): number {
    return this.#end;
  }

  /** Keys of a KV head. */
  get nodes(): number {
    return this.#end - this.start;
  }

  /** Keys of a KV head before key `end`. */
  protected nodesBefore(end: number): number {
    return Math.max(0, Math.min(end, this.#end) - this.start);
  }

  /** Its arrays, as they are saved. */
  protected abstract readonly arrays: Readonly<Record<string, IndexArray>>;
  /** Its other numbers, as they are saved. */
  protected get counts(): Readonly<Record<string, number>> {
    return {};
  }
  /** Takes in keys `this.end .. end-1`. */
  protected abstract extend(kv: KvView, end: number, control?: RunControl): Promise<void>;
  /** An index with the same arrays. */
  protected abstract copy(place: IndexPlace): GrowingIndex<Options>;
  /** Finds keys. */
  abstract search(query: IndexQuery, control?: RunControl): Promise<IndexAnswer>;
  /** Frees what it holds. */
  abstract close(): void;

  /** Takes in the first keys. */
  async build(kv: KvView, end: number, control?: RunControl): Promise<this> {
    await this.#clock.build(async () => {
      if (end > this.#end) await this.extend(kv, end, control);
    });
    this.#end = end;
    return this;
  }

  /** Takes in the keys from its end up to `end`. */
  async append(kv: KvView, end: number, control?: RunControl): Promise<void> {
    if (end <= this.#end) return;
    await this.#clock.append(end - this.#end, () => this.extend(kv, end, control));
    this.#end = end;
  }

  /** What it took and takes. */
  stats(): IndexStats {
    const arrays = Object.values(this.arrays);
    const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return { kind: this.options.kind, keys: this.nodes, bytes, ...this.#clock.times() };
  }

  /** An index over the same keys that goes its own way. */
  fork(): KvIndex {
    const fork = this.copy({ start: this.start, end: this.#end, clock: this.#clock.copy() });
    this.isShared = fork.isShared = true;
    return fork;
  }

  /** It as data. */
  save(): SavedIndex {
    const { options, start, end, counts, arrays } = this;
    const { buildMs, appended } = this.#clock.times();
    return { options, start, end, appended, buildMs, counts, arrays };
  }
}
