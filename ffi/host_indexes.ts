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
import type {
  AskingRows,
  ClusterMembers,
  ClusterPart,
  ClusterRange,
  Clusters,
  ExtendOptions,
  Flat4Records,
  Flat4Search,
  FoundKeys,
  Graphs,
  GraphSearch,
  HostAttention,
  IndexedKeys,
  IndexOperations,
  ListedKeys,
} from "./index_operations.ts";
import type { NativePageTable } from "./native_pages.ts";
import { reasonOf } from "./refusal.ts";

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

  nearestKeys(
    q: Float32Array<ArrayBuffer>,
    kvHead: number,
    kv: KvView,
    range: { readonly start: number; readonly end: number },
    k: number,
    control?: RunControl,
  ): Awaitable<Pick<FoundKeys, "keys" | "scores">> {
    return this.#ask(kv, [{ kvHead, ...range }], control, (indexes, own) => {
      return indexes.nearestKeys(q, kvHead, own, range, k, control);
    });
  }

  scoreKeys(
    rows: AskingRows,
    kv: KvView,
    listed: ListedKeys,
    control?: RunControl,
  ): Awaitable<Float32Array<ArrayBuffer>> {
    return this.#ask(kv, keysListed(rows, listed), control, (indexes, own) => {
      return indexes.scoreKeys(rows, own, listed, control);
    });
  }

  extendGraph(
    keys: IndexedKeys,
    graphs: Graphs,
    options: ExtendOptions,
    control?: RunControl,
  ): Awaitable<void> {
    return this.#ask(keys.kv, indexed(keys), control, (indexes, kv) => {
      return indexes.extendGraph({ ...keys, kv }, graphs, options, control);
    });
  }

  searchGraph(
    rows: AskingRows,
    keys: IndexedKeys,
    graphs: Graphs,
    options: GraphSearch,
    control?: RunControl,
  ): Awaitable<FoundKeys> {
    return this.#ask(keys.kv, indexed(keys), control, (indexes, kv) => {
      return indexes.searchGraph(rows, { ...keys, kv }, graphs, options, control);
    });
  }

  encodeFlat4(
    keys: IndexedKeys,
    kvHead: number,
    first: number,
    records: Flat4Records,
    control?: RunControl,
  ): Awaitable<void> {
    return this.#ask(keys.kv, indexed(keys), control, (indexes, kv) => {
      return indexes.encodeFlat4({ ...keys, kv }, kvHead, first, records, control);
    });
  }

  searchFlat4(
    rows: AskingRows,
    keys: IndexedKeys,
    records: Flat4Records,
    options: Flat4Search,
    control?: RunControl,
  ): Awaitable<FoundKeys & { readonly lse: Float32Array<ArrayBuffer> | null }> {
    return this.#ask(keys.kv, indexed(keys), control, (indexes, kv) => {
      return indexes.searchFlat4(rows, { ...keys, kv }, records, options, control);
    });
  }

  clusterKeys(
    kv: KvView,
    range: ClusterRange,
    part: ClusterPart,
    control?: RunControl,
  ): Awaitable<void> {
    return this.#ask(kv, [range], control, (indexes, own) => {
      return indexes.clusterKeys(own, range, part, control);
    });
  }

  searchClusters(
    rows: AskingRows,
    keys: IndexedKeys,
    clusters: Clusters,
    members: ClusterMembers,
    options: { readonly budget: number; readonly k: number },
    control?: RunControl,
  ): Awaitable<FoundKeys> {
    return this.#ask(keys.kv, indexed(keys), control, (indexes, kv) => {
      return indexes.searchClusters(rows, { ...keys, kv }, clusters, members, options, control);
    });
  }

  clusterTail(
    rows: AskingRows,
    keys: IndexedKeys,
    clusters: Clusters,
    listed: ListedKeys,
    scale: number,
    control?: RunControl,
  ): Awaitable<HostAttention> {
    return this.#ask(keys.kv, indexed(keys), control, (indexes, kv) => {
      return indexes.clusterTail(rows, { ...keys, kv }, clusters, listed, scale, control);
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
