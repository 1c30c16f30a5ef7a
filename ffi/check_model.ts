/** Checks of the arguments of the model operations: embedding, projections, feed-forward, logits. */
import type {
  BackendName,
  OutputWeights,
  QkvTensors,
  QkvWeights,
  RopeTables,
  Tensor,
} from "./backend.ts";
import {
  type Call,
  rangeError,
  requireEachInside,
  requireEpsilon,
  requireFinite,
  requireGroups,
  requireLength,
  requireOptional,
  requireTensor,
  shapeError,
  WEIGHTS,
} from "./check_core.ts";

/** Checks the arguments of `Backend.embed`. */
export function checkEmbed(
  backend: BackendName,
  ids: Int32Array,
  table: Tensor,
  scale: number,
  out: Tensor,
): void {
  const call = { backend, action: "embed" };
  const [vocab = 0, hidden = 0] = requireTensor(call, "table", table, ["vocab", "hidden"], WEIGHTS);
  requireTensor(call, "out", out, [ids.length, hidden]);
  requireFinite(call, "scale", scale);
  requireEachInside(call, "ids", ids, vocab);
}

/** Checks the arguments of `Backend.qkv`. */
export function checkQkv(
  backend: BackendName,
  x: Tensor,
  weights: QkvWeights,
  rope: RopeTables,
  out: QkvTensors,
): void {
  const call = { backend, action: "compute q, k and v" };
  const [tokens = 0, hidden = 0] = requireTensor(call, "x", x, ["tokens", "hidden"]);
  const [, heads = 0, dim = 0] = requireTensor(call, "out.q", out.q, [tokens, "heads", "dim"]);
  const [, kvHeads = 0] = requireTensor(call, "out.k", out.k, [tokens, "kvHeads", dim]);
  requireTensor(call, "out.v", out.v, [tokens, kvHeads, dim]);
  requireGroups(call, heads, kvHeads);
  requireTensor(call, "weights.norm", weights.norm, [hidden]);
  requireEpsilon(call, "weights.eps", weights.eps);
  requireTensor(call, "weights.wq", weights.wq, [heads * dim, hidden], WEIGHTS);
  requireTensor(call, "weights.wk", weights.wk, [kvHeads * dim, hidden], WEIGHTS);
  requireTensor(call, "weights.wv", weights.wv, [kvHeads * dim, hidden], WEIGHTS);
  requireOptional(call, "weights.bq", weights.bq, heads * dim);
  requireOptional(call, "weights.bk", weights.bk, kvHeads * dim);
  requireOptional(call, "weights.bv", weights.bv, kvHeads * dim);
  requireOptional(call, "weights.qNorm", weights.qNorm, dim);
  requireOptional(call, "weights.kNorm", weights.kNorm, dim);
  requireRope(call, rope, tokens, heads + kvHeads, dim);
}

/** Checks the arguments of `Backend.output`. */
export function checkOutput(
  backend: BackendName,
  x: Tensor,
  attention: Tensor,
  weights: OutputWeights,
): void {
  const call = { backend, action: "compute the layer's output" };
  const [tokens = 0, hidden = 0] = requireTensor(call, "x", x, ["tokens", "hidden"]);
  const [, heads = 0, dim = 0] = requireTensor(call, "attention", attention, [
    tokens,
    "heads",
    "dim",
  ]);
  requireTensor(call, "weights.wo", weights.wo, [hidden, heads * dim], WEIGHTS);
  requireOptional(call, "weights.attentionPostNorm", weights.attentionPostNorm, hidden);
  requireTensor(call, "weights.norm", weights.norm, [hidden]);
  requireEpsilon(call, "weights.eps", weights.eps);
  const [ffn = 0] = requireTensor(call, "weights.wGate", weights.wGate, ["ffn", hidden], WEIGHTS);
  requireTensor(call, "weights.wUp", weights.wUp, [ffn, hidden], WEIGHTS);
  requireTensor(call, "weights.wDown", weights.wDown, [hidden, ffn], WEIGHTS);
  requireOptional(call, "weights.ffnPostNorm", weights.ffnPostNorm, hidden);
  if (weights.activation !== "silu" && weights.activation !== "gelu_tanh") {
    throw rangeError(call, "weights.activation must be silu or gelu_tanh", weights.activation);
  }
}

/** Checks the arguments of `Backend.logits`. */
export function checkLogits(
  backend: BackendName,
  x: Tensor,
  norm: Tensor,
  eps: number,
  head: Tensor,
  out: Tensor,
): void {
  const call = { backend, action: "compute logits" };
  const [tokens = 0, hidden = 0] = requireTensor(call, "x", x, ["tokens", "hidden"]);
  requireTensor(call, "norm", norm, [hidden]);
  requireEpsilon(call, "eps", eps);
  const [vocab = 0] = requireTensor(call, "head", head, ["vocab", hidden], WEIGHTS);
  requireTensor(call, "out", out, [tokens, vocab]);
}

/** Checks the arguments of `Backend.logProbs`. */
export function checkLogProbs(backend: BackendName, logits: Tensor, targets: Int32Array): void {
  const call = { backend, action: "compute log-probabilities" };
  const [tokens = 0, vocab = 0] = requireTensor(call, "logits", logits, ["tokens", "vocab"]);
  requireLength(call, "targets", targets, tokens);
  requireEachInside(call, "targets", targets, vocab);
}

function requireRope(
  call: Call,
  rope: RopeTables,
  tokens: number,
  heads: number,
  dim: number,
): void {
  const shape = requireTensor(call, "rope.cos", rope.cos, ["tables", tokens, "rot / 2"]);
  const [tables = 0, , half = 0] = shape;
  if (2 * half > dim) {
    throw shapeError(call, `rope.cos must turn at most ${dim} dimensions`, 2 * half);
  }
  requireTensor(call, "rope.sin", rope.sin, shape);
  if (!rope.tableOfHead) return;
  requireLength(call, "rope.tableOfHead", rope.tableOfHead, heads);
  requireEachInside(call, "rope.tableOfHead", rope.tableOfHead, tables);
}
