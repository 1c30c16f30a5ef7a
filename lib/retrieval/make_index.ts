/** Makes indexes by their kind. */
import type { Backend, RunControl } from "../../ffi/backend.ts";
import { buildAuto } from "./auto.ts";
import { buildClusters, loadClusters } from "./clusters.ts";
import { exactIndex } from "./exact.ts";
import { buildFlat4, loadFlat4 } from "./flat4.ts";
import { buildGraph, loadGraph } from "./graph.ts";
import { buildHnsw } from "./hnsw.ts";
import { type IndexOptions, indexOptions } from "./index_options.ts";
import type { IndexSource, KvIndex, SavedIndex } from "./kv_index.ts";
import { buildBlocks, buildPages, loadRuns } from "./run_index.ts";

/**
 * Builds an index over keys of a layer.
 *
 * @throws {RangeError} when an option or a key is refused
 * @throws {BackendError} when the backend or a package cannot do it
 */
export async function buildIndex(
  backend: Backend,
  options: IndexOptions,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  const filled = indexOptions("build an index", options);
  switch (filled.kind) {
    case "exact":
      return exactIndex(backend, source);
    case "graph":
      return await buildGraph(backend, filled, source, control);
    case "clusters":
      return await buildClusters(backend, filled, source, control);
    case "flat4":
      return await buildFlat4(backend, filled, source, control);
    case "pages":
      return await buildPages(backend, filled, source, control);
    case "blocks":
      return await buildBlocks(backend, filled, source, control);
    case "hnsw":
      return await buildHnsw(backend, filled, source, control);
    case "auto":
      return await buildAuto(backend, source, control);
  }
}

/** An index that was saved; `hnsw`, which the package holds, is built again. */
export async function loadIndex(
  backend: Backend,
  saved: SavedIndex,
  source: Pick<IndexSource, "kv" | "heads">,
  control?: RunControl,
): Promise<KvIndex> {
  const filled = indexOptions("load an index", saved.options);
  const { start, end } = saved;
  switch (filled.kind) {
    case "graph":
      return loadGraph(backend, filled, saved, source);
    case "clusters":
      return loadClusters(backend, filled, saved, source.kv);
    case "flat4":
      return loadFlat4(backend, filled, saved, source.kv);
    case "pages":
    case "blocks":
      return await loadRuns(backend, filled, saved, source.kv, control);
    default:
      return await buildIndex(
        backend,
        filled,
        { ...source, start, end, queries: NO_QUERIES },
        control,
      );
  }
}

/** No sampled queries. */
export const NO_QUERIES = { count: 0, head: (): Float32Array<ArrayBuffer> => new Float32Array() };
