/** Makes indexes by their kind. Each kind is loaded when it is first asked for. */
import type { Backend, KvView, RunControl } from "../../ffi/backend.ts";
import { type IndexOptions, indexOptions } from "./index_options.ts";
import type { IndexSource, KvIndex, SavedIndex } from "./kv_index.ts";

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
  const action = "build an index";
  switch (options.kind) {
    case "exact": {
      const { exactIndex } = await import("./exact.ts");
      return exactIndex(backend, source);
    }
    case "graph": {
      const { buildGraph } = await import("./graph.ts");
      return buildGraph(backend, indexOptions(action, options), source, control);
    }
    case "clusters": {
      const { buildClusters } = await import("./clusters.ts");
      return buildClusters(backend, indexOptions(action, options), source, control);
    }
    case "flat4": {
      const { buildFlat4 } = await import("./flat4.ts");
      return buildFlat4(backend, indexOptions(action, options), source, control);
    }
    case "pages": {
      const { buildPages } = await import("./run_index.ts");
      return buildPages(backend, indexOptions(action, options), source, control);
    }
    case "blocks": {
      const { buildBlocks } = await import("./run_index.ts");
      return buildBlocks(backend, indexOptions(action, options), source, control);
    }
    case "hnsw": {
      const { buildHnsw } = await import("./hnsw.ts");
      return buildHnsw(backend, indexOptions(action, options), source, control);
    }
    case "auto": {
      const { buildAuto } = await import("./auto.ts");
      return buildAuto(backend, source, control);
    }
  }
}

/** An index that was saved; kinds that hold nothing but sums of keys are built again. */
export async function loadIndex(
  backend: Backend,
  saved: SavedIndex,
  source: Pick<IndexSource, "kv" | "heads">,
  control?: RunControl,
): Promise<KvIndex> {
  const action = "load an index";
  const { options } = saved;
  switch (options.kind) {
    case "graph": {
      const { loadGraph } = await import("./graph.ts");
      return loadGraph(backend, indexOptions(action, options), saved, source);
    }
    case "clusters": {
      const { loadClusters } = await import("./clusters.ts");
      return loadClusters(backend, indexOptions(action, options), saved, source.kv);
    }
    case "flat4": {
      const { loadFlat4 } = await import("./flat4.ts");
      return loadFlat4(backend, indexOptions(action, options), saved, source.kv);
    }
    default: {
      const { start, end } = saved;
      return buildIndex(backend, options, { ...source, start, end, queries: NO_QUERIES }, control);
    }
  }
}

/** No sampled queries. */
export const NO_QUERIES = { count: 0, head: (): Float32Array<ArrayBuffer> => new Float32Array() };

/** Keys and values up to `end`. */
export function upTo(kv: KvView, end: number): KvView {
  return { table: kv.table, length: end };
}
