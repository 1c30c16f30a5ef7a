/** What a whole model must at least compute and read. */
import type { Model } from "../../engine/model.ts";
import type { Work } from "../ceilings.ts";
import { GENERATED } from "./model_case.ts";

/** Keys and values that both programs hold: bf16 is ours, f16 is llama.cpp's. */
const KV_BYTES = 2;
/** What matrices are multiplied in, where the processor has a unit for it. */
const COMPUTE = "bf16";

type Config = Pick<
  Model["config"],
  "layers" | "hidden" | "heads" | "kvHeads" | "dim" | "ffn" | "vocab" | "windows"
>;

/** Reading a text of `tokens` tokens, to the logits of its last. */
export function prefillWork(config: Config, tokens: number, matrixBytes: number): Work {
  const attention = config.windows.map((window) =>
    4 * config.heads * config.dim * causalPairs(tokens, window)
  );
  return workOf({
    flops: 2 * tokens * layerWeights(config) + 2 * headWeights(config) + sum(attention),
    trafficBytes: matrixBytes + kvBytes(config, tokens),
  });
}

/** Passing one token through the model behind a text of `tokens`: the middle one of those that are generated. */
export function decodeWork(config: Config, tokens: number, matrixBytes: number): Work {
  const keys = tokens + Math.ceil(GENERATED / 2);
  const seen = config.windows.map((window) => Math.min(keys, window ?? keys));
  const weights = layerWeights(config) + headWeights(config);
  return workOf({
    flops: 2 * weights + 4 * config.heads * config.dim * sum(seen),
    trafficBytes: matrixBytes + rowBytes(config) * sum(seen),
  });
}

/** Bytes of keys and values of `tokens` tokens, all layers. */
export function kvBytes(config: Config, tokens: number): number {
  return rowBytes(config) * config.layers * tokens;
}

function workOf({ flops, trafficBytes }: Pick<Work, "flops" | "trafficBytes">): Work {
  return { flops, trafficBytes, workingSetBytes: trafficBytes, multiplies: COMPUTE };
}

/** Keys and values of one token in one layer. */
function rowBytes({ kvHeads, dim }: Config): number {
  return 2 * kvHeads * dim * KV_BYTES;
}

function layerWeights({ layers, hidden, heads, kvHeads, dim, ffn }: Config): number {
  return layers * hidden * (2 * heads * dim + 2 * kvHeads * dim + 3 * ffn);
}

function headWeights({ vocab, hidden }: Config): number {
  return vocab * hidden;
}

/** Pairs of a query and a key that it sees: its own, and those before it as far as the window goes. */
function causalPairs(tokens: number, window: number | null): number {
  const wide = Math.min(tokens, window ?? tokens);
  return wide * (wide + 1) / 2 + (tokens - wide) * wide;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
