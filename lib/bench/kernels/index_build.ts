/** Building the graph of a KV head, as a session does after a prefill; beside it the dense prefill attention of the same heads. */
import { lower } from "../../attention/lower.ts";
import { QUERY_SAMPLES } from "../../engine/session_defaults.ts";
import { indexOptions } from "../../retrieval/index_options.ts";
import { buildIndex } from "../../retrieval/make_index.ts";
import { QuerySamples } from "../../retrieval/query_samples.ts";
import { attentionText, type Bench, type BenchCase, type CaseShape } from "../bench_case.ts";
import { attentionTensors, pageBytes, rowBytes } from "../random_cache.ts";
import type { Sizes } from "../sizes.ts";

/** Query heads of the KV head. */
const GROUP = 4;
/** Scores of keys by which a key finds its place, about. */
const SCORES = 2000;

const OPTIONS = indexOptions("measure an index", "graph");

/** The default graph of one KV head, in bf16. */
export function indexBuilds({ builtTokens, kinds }: Sizes): BenchCase[] {
  return builtTokens.flatMap((tokens) =>
    kinds.filter(({ dtype }) => dtype === "bf16").map((kind) =>
      buildCase({ ...kind, tokens, heads: GROUP, kvHeads: 1, share: 1 })
    )
  );
}

function buildCase(shape: CaseShape): BenchCase {
  const { tokens, heads, dim } = shape;
  const { queryShare, keyShare } = OPTIONS;
  const asking = keyShare * tokens + Math.min(queryShare * tokens, heads * QUERY_SAMPLES);
  const workingSetBytes = pageBytes(shape) + 4 * OPTIONS.degree * tokens;
  return {
    ...shape,
    kernel: "index build",
    shape: `${attentionText(shape)} graph`,
    flops: 2 * dim * tokens * (asking + SCORES),
    multiplies: "f32",
    denseFlops: 2 * heads * dim * tokens * (tokens + 1),
    ...{ trafficBytes: workingSetBytes, workingSetBytes },
    memoryBytes: workingSetBytes + rowBytes(shape, tokens),
    peers: null,
    open: (bench) => openBuild(bench, shape),
  };
}

async function openBuild(bench: Bench, shape: CaseShape) {
  const { tokens, heads } = shape;
  const { backend } = bench;
  const { q, kv, scale, out, opened } = await attentionTensors(bench, shape, tokens);
  const queries = new QuerySamples(QUERY_SAMPLES);
  queries.add(q, 0);
  const dense = new Array(heads).fill(lower({ kind: "dense" }, 0, tokens, tokens));
  return opened(
    async (control) => {
      const source = { kv, start: 0, end: tokens, heads, queries };
      const index = await buildIndex(backend, OPTIONS, source, control);
      index.close();
    },
    (control) => backend.attendTiles(q, 0, scale, kv, dense, out, control),
  );
}
