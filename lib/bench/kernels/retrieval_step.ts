/** A whole step of retrieval for one new token: the search of an index, then attention to static and found keys; beside it dense attention. */
import type { KeyPlan } from "../../../ffi/backend.ts";
import { KV_BYTES } from "../../../ffi/elements.ts";
import { lowerRow } from "../../attention/lower_row.ts";
import { type IndexOptions, indexOptions } from "../../retrieval/index_options.ts";
import type { IndexQuery } from "../../retrieval/kv_index.ts";
import { buildIndex } from "../../retrieval/make_index.ts";
import { QuerySamples } from "../../retrieval/query_samples.ts";
import { attentionText, type Bench, type BenchCase, type CaseShape } from "../bench_case.ts";
import { attentionTensors, pageBytes, rowBytes } from "../random_cache.ts";
import type { Sizes } from "../sizes.ts";

const TOP_K = 100;
/** Queries that repetitions take in turn; the graph is built by them, too. */
const ROWS = 512;
/** Queries that repetitions take in turn, and that no index has seen. */
const ASKING = 16;

/** KV heads of a graph, whose building takes long: one for each of two threads. */
const GRAPHS = 2;

/** A step with each index for every group, in bf16. */
export function retrievalSteps({ sparseTokens, kinds, groups, decodeKvHeads }: Sizes): BenchCase[] {
  const bf16 = kinds.filter(({ dtype }) => dtype === "bf16");
  return sparseTokens.flatMap((tokens) =>
    bf16.flatMap((kind) =>
      groups.flatMap((group) => {
        const shape = (kvHeads: number): CaseShape => {
          return { ...kind, tokens, heads: kvHeads * group, kvHeads, share: 1 };
        };
        return [
          stepCase({ kind: "flat4" }, shape(decodeKvHeads[0]!)),
          stepCase({ kind: "graph" }, shape(GRAPHS)),
        ];
      })
    )
  );
}

/** The published static set, or a part of a short context. */
function staticSet({ tokens }: CaseShape): { readonly sink: number; readonly window: number } {
  return { sink: Math.min(128, tokens >> 3), window: Math.min(512, tokens >> 2) };
}

function stepCase(index: IndexOptions, shape: CaseShape): BenchCase {
  const { heads, dim, tokens, dtype } = shape;
  const { sink, window } = staticSet(shape);
  const attended = heads * (sink + window + TOP_K);
  const outBytes = heads * (dim + 1) * KV_BYTES.f32;
  return {
    ...shape,
    kernel: "retrieval decode",
    shape: `${attentionText(shape)} ${index.kind}`,
    flops: 4 * dim * attended,
    multiplies: "f32",
    denseFlops: 4 * heads * dim * tokens,
    trafficBytes: 2 * dim * attended * KV_BYTES[dtype],
    workingSetBytes: pageBytes(shape),
    memoryBytes: pageBytes(shape) + rowBytes(shape, ROWS + ASKING) + outBytes,
    peers: null,
    open: (bench) => openStep(bench, index, shape),
  };
}

async function openStep(bench: Bench, options: IndexOptions, shape: CaseShape) {
  const { tokens, heads } = shape;
  const { backend } = bench;
  const { q, kv, scale, opened } = await attentionTensors(bench, shape, ROWS + ASKING);
  const queries = new QuerySamples(ROWS);
  queries.add(q.rows(0, ROWS), 0);
  const { sink, window } = staticSet(shape);
  const end = tokens - window;
  const source = { kv: { ...kv, length: end }, start: sink, end, heads, queries };
  const index = await buildIndex(backend, indexOptions("measure an index", options), source);
  const out = { out: backend.tensor([1, heads, shape.dim]), lse: backend.tensor([1, heads]) };
  const dense = new Array<KeyPlan>(heads).fill(lowerRow({ kind: "dense" }, tokens - 1));
  const all = Array.from({ length: heads }, (_, head) => head);
  const ranges = Int32Array.of(0, sink, end, tokens);
  let turn = 0;
  const asking = () => ROWS + turn++ % ASKING;
  const step = opened(
    async (control) => {
      const row = asking();
      const asked: IndexQuery = {
        ...{ kv, q, row, heads: all, end, topK: TOP_K, scale, wantsMass: false },
      };
      const { found } = await index.search(asked, control);
      const plans = found.map(({ indices }) => ({ ranges, indices: indices.toSorted() }));
      await backend.attendKeys(q.rows(row, 1), scale, kv, plans, out, control);
    },
    async (control) => {
      await backend.attendKeys(q.rows(asking(), 1), scale, kv, dense, out, control);
    },
  );
  return {
    ...step,
    close: () => {
      index.close();
      out.out.close();
      out.lse.close();
      step.close();
    },
  };
}
