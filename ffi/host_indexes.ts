/** The operations of indexes for a device: the CPU computes them over copies of its pages. */
import {
  type Awaitable,
  type Backend,
  type KvView,
  PAGE_TOKENS,
  type RunControl,
} from "./backend.ts";
import { BackendError } from "./errors.ts";
import { HostTable, type KeysRead } from "./host_table.ts";
import type { AskingRows, IndexedKeys, IndexOperations, ListedKeys } from "./index_operations.ts";
import type { NativePageTable } from "./native_pages.ts";
import { reasonOf } from "./refusal.ts";

/** Arguments of an operation, and what it answers. */
type Asked<K extends keyof IndexOperations> = Parameters<IndexOperations[K]>;
type Answer<K extends keyof IndexOperations> = ReturnType<IndexOperations[K]>;

/** The operations over pages of `device`. Arguments are not checked. */
export class HostIndexes implements IndexOperations {
  readonly #device: Backend;
  readonly #open: () => Promise<Backend>;
  readonly #tables = new WeakMap<NativePageTable, HostTable>();
  #host: Backend | null = null;

  /** `open` opens the backend of the CPU when it is first needed. */
  constructor(device: Backend, open: () => Promise<Backend>) {
    this.#device = device;
    this.#open = open;
  }

  nearestKeys(...[q, kvHead, kv, range, k, control]: Asked<"nearestKeys">): Answer<"nearestKeys"> {
    return this.#ask(kv, [{ kvHead, ...range }], control, (indexes, own) => {
      return indexes.nearestKeys(q, kvHead, own, range, k, control);
    });
  }

  scoreKeys(...[rows, kv, listed, control]: Asked<"scoreKeys">): Answer<"scoreKeys"> {
    return this.#ask(kv, keysListed(rows, listed), control, (indexes, own) => {
      return indexes.scoreKeys(rows, own, listed, control);
    });
  }

  extendGraph(...[keys, graphs, how, control]: Asked<"extendGraph">): Answer<"extendGraph"> {
    return this.#askIndex(keys, control, (indexes, own) => {
      return indexes.extendGraph(own, graphs, how, control);
    });
  }

  searchGraph(...[rows, keys, graphs, how, control]: Asked<"searchGraph">): Answer<"searchGraph"> {
    return this.#askIndex(keys, control, (indexes, own) => {
      return indexes.searchGraph(rows, own, graphs, how, control);
    });
  }

  encodeFlat4(
    ...[keys, kvHead, first, records, control]: Asked<"encodeFlat4">
  ): Answer<"encodeFlat4"> {
    return this.#askIndex(keys, control, (indexes, own) => {
      return indexes.encodeFlat4(own, kvHead, first, records, control);
    });
  }

  searchFlat4(...[rows, keys, records, how, control]: Asked<"searchFlat4">): Answer<"searchFlat4"> {
    return this.#askIndex(keys, control, (indexes, own) => {
      return indexes.searchFlat4(rows, own, records, how, control);
    });
  }

  clusterKeys(...[kv, range, part, control]: Asked<"clusterKeys">): Answer<"clusterKeys"> {
    return this.#ask(kv, [range], control, (indexes, own) => {
      return indexes.clusterKeys(own, range, part, control);
    });
  }

  searchClusters(
    ...[rows, keys, clusters, members, how, control]: Asked<"searchClusters">
  ): Answer<"searchClusters"> {
    return this.#askIndex(keys, control, (indexes, own) => {
      return indexes.searchClusters(rows, own, clusters, members, how, control);
    });
  }

  clusterTail(
    ...[rows, keys, clusters, listed, scale, control]: Asked<"clusterTail">
  ): Answer<"clusterTail"> {
    return this.#askIndex(keys, control, (indexes, own) => {
      return indexes.clusterTail(rows, own, clusters, listed, scale, control);
    });
  }

  /** What `ask` answers about `kv` in memory of the host, where these keys and their values are. */
  async #ask<T>(
    kv: KvView,
    read: readonly KeysRead[],
    control: RunControl | undefined,
    ask: (indexes: IndexOperations, kv: KvView) => Awaitable<T>,
  ): Promise<T> {
    const host = this.#host ??= await this.#load();
    const source = kv.table as NativePageTable;
    const own = this.#tables.get(source) ?? new HostTable(this.#device, host, source);
    this.#tables.set(source, own);
    await own.copy(read, control);
    return await ask(host.indexes, { table: own.table, length: kv.length });
  }

  /** The same for the keys that an index covers. */
  #askIndex<T>(
    keys: IndexedKeys,
    control: RunControl | undefined,
    ask: (indexes: IndexOperations, keys: IndexedKeys) => Awaitable<T>,
  ): Promise<T> {
    return this.#ask(
      keys.kv,
      indexed(keys),
      control,
      (indexes, kv) => ask(indexes, { ...keys, kv }),
    );
  }

  async #load(): Promise<Backend> {
    try {
      return await this.#open();
    } catch (cause) {
      throw new BackendError(
        `Cannot index or search keys on backend ${this.#device.name} without the native library of the CPU: ` +
          reasonOf(cause),
        { cause },
      );
    }
  }
}

/** The keys of an index, of all KV heads. */
function indexed({ kv, start, nodes }: IndexedKeys): KeysRead[] {
  return Array.from({ length: kv.table.kvHeads }, (_, kvHead) => ({
    ...{ kvHead, start, end: start + nodes },
  }));
}

/** The pages of listed keys, each once. */
function keysListed({ kvHeadOf }: AskingRows, { ptr, keys }: ListedKeys): KeysRead[] {
  const pages = new Map<number, Set<number>>();
  for (const [row, kvHead] of kvHeadOf.entries()) {
    const known = pages.get(kvHead) ?? new Set();
    pages.set(kvHead, known);
    for (const key of keys.subarray(ptr[row], ptr[row + 1])) {
      known.add(Math.floor(key / PAGE_TOKENS));
    }
  }
  return [...pages].flatMap(([kvHead, known]) =>
    [...known].map((page) => ({ kvHead, start: page * PAGE_TOKENS, end: (page + 1) * PAGE_TOKENS }))
  );
}
