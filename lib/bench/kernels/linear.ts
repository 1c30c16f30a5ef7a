/** Linear layers of a model: projections before attention, and everything after it. */
import type { Activation, Backend, DType, Tensor } from "../../../ffi/backend.ts";
import { KV_BYTES } from "../../../ffi/elements.ts";
import type { Bench, BenchCase } from "../bench_case.ts";
import type { CaseShape, OpenCase } from "../bench_case.ts";
import type { Sizes } from "../sizes.ts";

const DIM = 64;
/** Query heads of a KV head. */
const GROUP = 4;
const EPS = 1e-6;
const DTYPES: readonly DType[] = ["bf16", "f32"];

/** A layer's sizes. */
interface Layer {
  readonly rows: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly dtype: DType;
}

/** Both calls of a layer for a chunk of a prefill and for one token. */
export function linearLayers({ rows, hidden: [hidden, ffn] }: Sizes): BenchCase[] {
  return DTYPES.flatMap((dtype) =>
    rows.flatMap((rows) => {
      const layer = { rows, hidden, ffn, dtype };
      return [qkvCase(layer), outputCase(layer)];
    })
  );
}

function qkvCase(layer: Layer): BenchCase {
  const { hidden } = layer;
  const width = hidden * (1 + 2 / GROUP);
  return {
    ...linearCase(layer, hidden * width, hidden + width),
    shape: `qkv ${hidden}->${width} ${textOf(layer)}`,
    open: (bench) => Promise.resolve(openQkv(bench, layer)),
  };
}

function outputCase(layer: Layer): BenchCase {
  const { hidden, ffn } = layer;
  return {
    ...linearCase(layer, hidden * (hidden + 3 * ffn), 2 * hidden),
    shape: `output ${hidden}->${ffn}->${hidden} ${textOf(layer)}`,
    open: (bench) => Promise.resolve(openOutput(bench, layer)),
  };
}

function textOf({ rows, dtype }: Layer): string {
  return `rows=${rows} ${dtype}`;
}

function linearCase(
  layer: Layer,
  weights: number,
  width: number,
): Omit<BenchCase, "shape" | "open"> {
  const { rows, hidden, dtype } = layer;
  const heads = hidden / DIM;
  const weightBytes = weights * KV_BYTES[dtype];
  const trafficBytes = weightBytes + rows * width * KV_BYTES.f32;
  const shape: CaseShape = {
    tokens: rows,
    heads,
    kvHeads: heads / GROUP,
    dim: DIM,
    dtype,
    share: 1,
  };
  return {
    ...shape,
    kernel: rows === 1 ? "linear decode" : "linear prefill",
    flops: 2 * rows * weights,
    multiplies: dtype === "f32" ? "f32" : "bf16",
    denseFlops: 0,
    trafficBytes,
    workingSetBytes: trafficBytes,
    memoryBytes: trafficBytes,
    peers: null,
  };
}

/** Makes tensors that are closed together. */
class Tensors {
  readonly #backend: Backend;
  readonly #data: Bench["data"];
  readonly #made: Tensor[] = [];

  constructor({ backend, data }: Bench) {
    this.#backend = backend;
    this.#data = data;
  }

  /** `[rows, width]`, normal numbers of standard deviation `scale`, or zeros. */
  matrix(rows: number, width: number, dtype: DType, scale: number): Tensor {
    return this.keep(
      this.#backend.tensor([rows, width], dtype, this.#data.rows(rows, width, scale)),
    );
  }

  /** Weights that keep the size of what they are multiplied with. */
  weights(rows: number, width: number, dtype: DType): Tensor {
    return this.matrix(rows, width, dtype, 1 / Math.sqrt(width));
  }

  /** A vector of numbers about 1. */
  norm(width: number): Tensor {
    const values = this.#data.rows(1, width, 0.1).map((value) => 1 + value);
    return this.keep(this.#backend.tensor([width], "f32", values));
  }

  /** Remembers a tensor. */
  keep(tensor: Tensor): Tensor {
    this.#made.push(tensor);
    return tensor;
  }

  /** Frees all. */
  close(): void {
    for (const tensor of this.#made) tensor.close();
  }
}

function openQkv(bench: Bench, { rows, hidden, dtype }: Layer): OpenCase {
  const { backend } = bench;
  const tensors = new Tensors(bench);
  const heads = hidden / DIM;
  const kvHeads = heads / GROUP;
  const x = tensors.matrix(rows, hidden, "f32", 1);
  const weights = {
    norm: tensors.norm(hidden),
    eps: EPS,
    wq: tensors.weights(heads * DIM, hidden, dtype),
    wk: tensors.weights(kvHeads * DIM, hidden, dtype),
    wv: tensors.weights(kvHeads * DIM, hidden, dtype),
    ...{ bq: null, bk: null, bv: null, qNorm: null, kNorm: null },
  };
  const rope = { cos: tensors.keep(angles(bench, rows)), sin: tensors.keep(angles(bench, rows)) };
  const room = (count: number) => tensors.keep(backend.tensor([rows, count, DIM]));
  const out = { q: room(heads), k: room(kvHeads), v: room(kvHeads) };
  return {
    run: (control) => backend.qkv(x, weights, rope, out, control),
    close: () => tensors.close(),
  };
}

/** A rotary table: what its numbers are does not change the time. */
function angles({ backend, data }: Bench, rows: number): Tensor {
  const values = data.rows(rows, DIM / 2).map(Math.cos);
  return backend.tensor([1, rows, DIM / 2], "f32", values);
}

function openOutput(bench: Bench, { rows, hidden, ffn, dtype }: Layer): OpenCase {
  const { backend, data } = bench;
  const tensors = new Tensors(bench);
  const heads = hidden / DIM;
  const x = tensors.matrix(rows, hidden, "f32", 1);
  const attention = tensors.keep(
    backend.tensor([rows, heads, DIM], "f32", data.rows(rows * heads, DIM)),
  );
  const activation: Activation = "silu";
  const weights = {
    wo: tensors.weights(hidden, hidden, dtype),
    attentionPostNorm: null,
    norm: tensors.norm(hidden),
    eps: EPS,
    wGate: tensors.weights(ffn, hidden, dtype),
    wUp: tensors.weights(ffn, hidden, dtype),
    wDown: tensors.weights(hidden, ffn, dtype),
    ffnPostNorm: null,
    activation,
  };
  return {
    run: (control) => backend.output(x, attention, weights, control),
    close: () => tensors.close(),
  };
}
