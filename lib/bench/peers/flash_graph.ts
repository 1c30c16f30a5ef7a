/**
 * The graph of one attention in ggml. As in llama.cpp, queries are f32 and causal rows go through in batches, each a
 * flash attention node with an f16 mask. Shapes as ggml writes them, fastest first:
 *
 *     q [dim, rows, heads]   k, v [dim, tokens, kvHeads]   mask [keys, rows]   out [dim, heads, rows]
 */
import type { PeerCase } from "../peer.ts";
import { type Ggml, GGML_TYPE, newContext } from "./ggml.ts";
import { headsFirst } from "./layout.ts";
import { rowsOf } from "./protocol.ts";
import type { Arrays } from "./serve.ts";

/** Rows of a batch: the default of llama.cpp's `--ubatch-size`. */
const BATCH_ROWS = 512;

/** q, k, v; of each batch three views, a mask and the output. */
const SHARED_TENSORS = 3;
const BATCH_TENSORS = 5;

const MINUS_INFINITY_F16 = 0xfc00;

type Pointer = Deno.PointerValue;
/** Data as tensors hold them. */
type Laid = Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** A tensor `[dim, rows, heads]`. */
interface Input {
  readonly tensor: Pointer;
  readonly rows: number;
  readonly heads: number;
  readonly dtype: PeerCase["dtype"];
}

/** Query rows `start ..`, and how many keys the last of them sees. */
interface Batch {
  readonly start: number;
  readonly rows: number;
  readonly keys: number;
}

/** A batch in the graph. */
interface Node extends Batch {
  readonly mask: Pointer;
  readonly out: Pointer;
}

/** Attention of a case. */
export class FlashGraph {
  readonly #ggml: Ggml;
  readonly #case: PeerCase;
  readonly #context: Pointer;
  readonly #inputs: Readonly<Record<"q" | "k" | "v", Input>>;
  readonly #nodes: readonly Node[];
  readonly #graph: Pointer;
  readonly #buffer: Pointer;

  /** Makes the graph and takes its memory. */
  constructor(ggml: Ggml, c: PeerCase) {
    const { call, backend } = ggml;
    const batches = batchesOf(c);
    this.#ggml = ggml;
    this.#case = c;
    this.#context = newContext(ggml, SHARED_TENSORS + BATCH_TENSORS * batches.length);
    const kv = () => this.#input(c.tokens, c.kvHeads, c.dtype);
    this.#inputs = { q: this.#input(rowsOf(c), c.heads, "f32"), k: kv(), v: kv() };
    this.#nodes = batches.map((batch) => this.#node(batch));
    this.#graph = call.ggml_new_graph(this.#context);
    for (const { out } of this.#nodes) call.ggml_build_forward_expand(this.#graph, out);
    this.#buffer = call.ggml_backend_alloc_ctx_tensors(this.#context, backend);
    if (this.#buffer === null) throw new Error("the tensors do not fit into memory");
  }

  /** Writes its data. */
  fill({ q, k, v }: Arrays): void {
    this.#fill(this.#inputs.q, q);
    this.#fill(this.#inputs.k, k);
    this.#fill(this.#inputs.v, v);
    for (const node of this.#nodes) if (node.mask !== null) this.#write(node.mask, maskOf(node));
  }

  /** Computes it once. */
  run(): void {
    const status = this.#ggml.call.ggml_backend_graph_compute(this.#ggml.backend, this.#graph);
    if (status !== 0) throw new Error(`ggml_backend_graph_compute returned ${status}`);
  }

  /** The output, `[rows, heads, dim]`. */
  out(): Float32Array<ArrayBuffer> {
    const width = this.#case.heads * this.#case.dim;
    const all = new Float32Array(rowsOf(this.#case) * width);
    for (const { out, start, rows } of this.#nodes) {
      const part = all.subarray(start * width, (start + rows) * width);
      this.#ggml.call.ggml_backend_tensor_get(out, part, 0n, BigInt(part.byteLength));
    }
    return all;
  }

  /** Frees its memory. */
  close(): void {
    this.#ggml.call.ggml_backend_buffer_free(this.#buffer);
    this.#ggml.call.ggml_free(this.#context);
  }

  #input(rows: number, heads: number, dtype: PeerCase["dtype"]): Input {
    return { tensor: this.#tensor(dtype, this.#case.dim, rows, heads), rows, heads, dtype };
  }

  #node(batch: Batch): Node {
    const { start, rows, keys } = batch;
    const { kind, dim } = this.#case;
    const { q, k, v } = this.#inputs;
    const mask = kind === "prefill" ? this.#tensor("f16", keys, rows, 1) : null;
    const parts = [this.#rows(q, start, rows), this.#rows(k, 0, keys), this.#rows(v, 0, keys)];
    const [queries, seenK, seenV] = parts as [Pointer, Pointer, Pointer];
    const out = this.#ggml.call.ggml_flash_attn_ext(
      ...[this.#context, queries, seenK, seenV, mask, 1 / Math.sqrt(dim), 0, 0] as const,
    );
    return { ...batch, mask, out };
  }

  #tensor(dtype: PeerCase["dtype"], ...shape: [number, number, number]): Pointer {
    const [first, second, third] = shape.map(BigInt) as [bigint, bigint, bigint];
    const { call } = this.#ggml;
    return call.ggml_new_tensor_3d(this.#context, GGML_TYPE[dtype], first, second, third);
  }

  /** Rows `start .. start+count-1` of all heads of an input. */
  #rows({ tensor, rows, heads, dtype }: Input, start: number, count: number): Pointer {
    const { dim } = this.#case;
    const rowBytes = this.#rowBytes(dtype);
    const shape = [BigInt(dim), BigInt(count), BigInt(heads)] as const;
    const strides = [rowBytes, rowBytes * BigInt(rows)] as const;
    const offset = rowBytes * BigInt(start);
    return this.#ggml.call.ggml_view_3d(this.#context, tensor, ...shape, ...strides, offset);
  }

  #fill({ tensor, heads, dtype }: Input, values: Float32Array<ArrayBuffer>): void {
    const { call } = this.#ggml;
    const laidOut = headsFirst(values, heads, this.#case.dim);
    if (dtype === "f32") return this.#write(tensor, laidOut);
    if (dtype === "q8_0") return this.#write(tensor, this.#quantised(laidOut));
    const halves = new Uint16Array(laidOut.length);
    const convert = dtype === "f16" ? call.ggml_fp32_to_fp16_row : call.ggml_fp32_to_bf16_row;
    convert(laidOut, halves, BigInt(laidOut.length));
    this.#write(tensor, halves);
  }

  #rowBytes(dtype: PeerCase["dtype"]): bigint {
    return this.#ggml.call.ggml_row_size(GGML_TYPE[dtype], BigInt(this.#case.dim));
  }

  #quantised(values: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { dim } = this.#case;
    const rows = BigInt(values.length / dim);
    const blocks = new Uint8Array(Number(this.#rowBytes("q8_0") * rows));
    const { ggml_quantize_chunk: quantize } = this.#ggml.call;
    quantize(GGML_TYPE.q8_0, values, blocks, 0n, rows, BigInt(dim), null);
    return blocks;
  }

  #write(tensor: Pointer, data: Laid): void {
    this.#ggml.call.ggml_backend_tensor_set(tensor, data, 0n, BigInt(data.byteLength));
  }
}

function batchesOf(c: PeerCase): Batch[] {
  const all = rowsOf(c);
  const batches: Batch[] = [];
  for (let start = 0; start < all; start += BATCH_ROWS) {
    const rows = Math.min(BATCH_ROWS, all - start);
    batches.push({ start, rows, keys: c.tokens - all + start + rows });
  }
  return batches;
}

/** 0 where a row sees a key, minus infinity elsewhere: row r sees all keys but the last `rows - 1 - r`. */
function maskOf({ rows, keys }: Batch): Uint16Array<ArrayBuffer> {
  const mask = new Uint16Array(rows * keys);
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * keys;
    mask.fill(MINUS_INFINITY_F16, end - (rows - 1 - row), end);
  }
  return mask;
}
