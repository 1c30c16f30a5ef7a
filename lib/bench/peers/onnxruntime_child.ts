/**
 * Child process of the onnxruntime peers; its argument is the operation. Queries, new keys, values and outputs have our
 * layout; cached keys and values are `[1, kvHeads, tokens, dim]`.
 */
import type { PeerCase } from "../peer.ts";
import { cachedPackage } from "./deno_command.ts";
import { headsFirst } from "./layout.ts";
import { type BoundNode, type Elements, OnnxRuntimeApi, type Tensor } from "./onnxruntime_api.ts";
import { rowsOf } from "./protocol.ts";
import { type Arrays, type Attention, type Package, serve } from "./serve.ts";

const PACKAGE = "onnxruntime-node@1.30.0";

type Floats = Float32Array<ArrayBuffer>;

async function load(operation: string): Promise<Package> {
  await cachedPackage(PACKAGE);
  const api = new OnnxRuntimeApi();
  const grouped = operation === "GroupQueryAttention";
  return {
    hello: { version: api.version },
    prepare: (c, arrays) =>
      grouped
        ? bound(api, c, groupQueryAttention(c, arrays), "appends to the cache, too")
        : bound(api, c, multiHeadAttention(c, arrays)),
  };
}

function bound(api: OnnxRuntimeApi, c: PeerCase, node: BoundNode, note?: string): Attention {
  const { run, close } = api.bind(node, c.threads);
  const out = () => Float32Array.from(node.outputs[0]!.data);
  return { ...(note === undefined ? {} : { note }), run, out, close };
}

/** Appends keys and values to a cache that is input and output, then attends: one call of a generation. */
function groupQueryAttention(c: PeerCase, { q, k, v }: Arrays): BoundNode {
  const { tokens, heads, kvHeads, dim } = c;
  const rows = rowsOf(c);
  const [keys, values] = [
    elements(c, headsFirst(k, kvHeads, dim)),
    elements(c, headsFirst(v, kvHeads, dim)),
  ];
  const last = (all: Floats) => elements(c, all.slice((tokens - rows) * kvHeads * dim));
  const cache = [1, kvHeads, tokens, dim];
  const added = [1, rows, kvHeads * dim];
  const queries = [1, rows, heads * dim];
  return {
    operation: "GroupQueryAttention",
    attributes: { num_heads: heads, kv_num_heads: kvHeads },
    inputs: [
      tensor("query", queries, elements(c, q)),
      tensor("key", added, last(k)),
      tensor("value", added, last(v)),
      tensor("past_key", cache, keys),
      tensor("past_value", cache, values),
      tensor("seqlens_k", [1], Int32Array.of(tokens - 1)),
      tensor("total_sequence_length", [1], Int32Array.of(tokens)),
    ],
    outputs: [
      tensor("output", queries, elements(c, new Float32Array(q.length))),
      tensor("present_key", cache, keys),
      tensor("present_value", cache, values),
    ],
  };
}

function multiHeadAttention(c: PeerCase, { q, k, v }: Arrays): BoundNode {
  const { tokens, heads, dim } = c;
  const decodes = c.kind === "decode";
  const queries = [1, rowsOf(c), heads * dim];
  const kv = decodes ? [1, heads, tokens, dim] : [1, tokens, heads * dim];
  const laidOut = (all: Floats) => decodes ? headsFirst(all, heads, dim) : all;
  return {
    operation: "MultiHeadAttention",
    attributes: { num_heads: heads, unidirectional: decodes ? 0 : 1 },
    inputs: [
      tensor("query", queries, q),
      tensor("key", kv, laidOut(k)),
      tensor("value", kv, laidOut(v)),
    ],
    outputs: [tensor("output", queries, new Float32Array(q.length))],
  };
}

function elements({ dtype }: PeerCase, values: Floats): Elements {
  return dtype === "f16" ? new Float16Array(values) : values;
}

function tensor(name: string, shape: readonly number[], data: Elements): Tensor {
  if (data instanceof Int32Array) return { name, shape, data, type: "int32" };
  return { name, shape, data, type: data instanceof Float32Array ? "f32" : "f16" };
}

if (import.meta.main) await serve(() => load(Deno.args[0]!));
