/** A made-up model, rows of it, and a made-up program that runs models. */
import type { ModelFile } from "../../lib/bench/models/model_case.ts";
import type { ModelPeer, ModelPeerFinder, PeerTimes } from "../../lib/bench/models/model_peer.ts";
import type {
  DecodeRequest,
  OpenRequest,
  ReadRequest,
} from "../../lib/bench/models/model_protocol.ts";
import type { ModelRow, ModelsResult } from "../../lib/bench/models/models_result.ts";
import { RESULT } from "./tiny.ts";

/** A file that is not there. */
export const FILE: ModelFile = {
  name: "small-Q4_1",
  path: "/nowhere/small-Q4_1.gguf",
  weights: "Q4_1",
  contextLength: 8192,
  matrixBytes: 9e7,
};

/** A small model of this repository that llama.cpp runs, too. */
export function tinyFile(): ModelFile {
  const path = new URL("../model/fixtures/gguf/llama.gguf", import.meta.url).pathname;
  return { ...FILE, name: "llama", path, contextLength: 64, matrixBytes: 1e5 };
}

const SPREAD = { median: 2000, low: 1900, high: 2150, least: 1850, count: 3 };

/** Reading 2,048 tokens in two seconds where llama.cpp takes three. */
export const PREFILL_ROW: ModelRow = {
  ...{ model: "small-Q4_1", weights: "Q4_1", contextLength: 8192 },
  ...{ task: "prefill", tokens: 2048, flops: 4e11, trafficBytes: 1e8 },
  ms: SPREAD,
  limit: { name: "avx2 f32 peak", rate: 400, unit: "GFLOP/s", ms: 1000 },
  beside: [{
    ...{ name: "llama.cpp", dtype: "f16", ratio: 1.5, note: null },
    ms: { ...SPREAD, median: 3000 },
  }],
  agreement: { same: 31, of: 33, widestGap: 0.04321 },
};

/** A token behind 32K in 12.5 ms. */
export const DECODE_ROW: ModelRow = {
  ...PREFILL_ROW,
  ...{ task: "decode", tokens: 32768, flops: 1e9, trafficBytes: 2.5e8 },
  ms: { median: 12.5, low: 12, high: 13, least: 11, count: 8 },
  limit: { name: "read of 238 MB", rate: 25, unit: "GB/s", ms: 10 },
  beside: [{ ...PREFILL_ROW.beside[0]!, ms: null, ratio: null, note: "it fell over" }],
  agreement: null,
};

const { rows: _, version: __, models: ___, ...head } = RESULT;

/** A run over models. */
export const MODELS: ModelsResult = { ...head, rows: [PREFILL_ROW, DECODE_ROW] };

/** A program that takes as long as it is told and agrees with all that it is given. */
export class FakeModelPeer implements ModelPeer {
  readonly name = "llama.cpp";
  readonly version = "1.2.3";
  readonly events: string[] = [];
  readonly opened: OpenRequest[] = [];
  readonly reads: ReadRequest[] = [];
  readonly decodes: DecodeRequest[] = [];

  constructor(readonly fails: (event: string) => boolean = () => false) {}

  open(request: OpenRequest): Promise<void> {
    this.opened.push(request);
    return this.#happens("open", undefined);
  }

  read(request: ReadRequest): Promise<PeerTimes> {
    this.reads.push(request);
    return this.#happens(`read ${request.ids.length}`, { ms: 40, gaps: [0.5] });
  }

  decode(request: DecodeRequest): Promise<PeerTimes> {
    this.decodes.push(request);
    const gaps = request.ids.slice(1).map(() => 0);
    return this.#happens(`decode ${gaps.length}`, { ms: 10 * gaps.length, gaps });
  }

  close(): Promise<void> {
    return this.#happens("close", undefined);
  }

  // deno-lint-ignore require-await -- a promise, as a failing child's answer is
  async #happens<Answer>(event: string, answer: Answer): Promise<Answer> {
    this.events.push(event);
    if (this.fails(event)) throw new Error("it fell over\nand more");
    return answer;
  }
}

/** Finds a program that is there. */
export function modelFinder(peer: ModelPeer): ModelPeerFinder {
  return { name: peer.name, find: () => Promise.resolve(peer) };
}
