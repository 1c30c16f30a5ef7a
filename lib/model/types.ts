/** What a loaded model is made of, whatever file format or family it came from. */
import type { Activation, OutputWeights, QkvWeights, Tensor } from "../../ffi/backend.ts";
import type { ChatTemplate } from "./chat_template.ts";

export type { Activation } from "../../ffi/backend.ts";

/** How rotary frequencies are scaled for contexts longer than those trained on. */
export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | { readonly type: "dynamic"; readonly factor: number; readonly originalMaxPositions: number }
  | {
    readonly type: "llama3";
    readonly factor: number;
    readonly lowFreqFactor: number;
    readonly highFreqFactor: number;
    readonly originalMaxPositions: number;
  }
  | {
    readonly type: "yarn";
    readonly factor: number;
    readonly originalMaxPositions: number;
    readonly betaFast: number;
    readonly betaSlow: number;
    /** Multiplies cos and sin. */
    readonly attentionFactor: number;
    readonly truncate: boolean;
  }
  | {
    readonly type: "longrope";
    /** Divides each frequency for contexts of up to `originalMaxPositions` tokens, `[rot / 2]`. */
    readonly shortFactor: readonly number[];
    /** Divides each frequency for longer contexts, `[rot / 2]`. */
    readonly longFactor: readonly number[];
    readonly originalMaxPositions: number;
    /** Multiplies cos and sin, in both cases. */
    readonly attentionFactor: number;
  };

/** Rotary embedding of a model. */
export interface RopeConfig {
  /** Base of the frequencies. */
  readonly theta: number;
  /** Rotated dimensions of a head. */
  readonly rot: number;
  /** Scaling rule. */
  readonly scaling: RopeScaling;
}

/** Checked shape and constants of a model. */
export interface ModelConfig {
  /** Family name as in `config.json`'s `model_type`: gemma3_text, llama, mistral, phi3, qwen2, qwen3. */
  readonly family: string;
  /** Number of layers. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  /** Query heads. */
  readonly heads: number;
  /** Key-value heads; divides `heads`. */
  readonly kvHeads: number;
  /** Dimension of a head. */
  readonly dim: number;
  /** Width of the feed-forward layer. */
  readonly ffn: number;
  /** Vocabulary size (rows of the embedding). */
  readonly vocab: number;
  /** RMSNorm epsilon. */
  readonly eps: number;
  /** Activation of the feed-forward gate. */
  readonly activation: Activation;
  /** Rotary embedding. */
  readonly rope: RopeConfig;
  /** Rotary embedding of the layers with a sliding window; `null` where it is that of the others. */
  readonly localRope: RopeConfig | null;
  /** Positions the model was made for. */
  readonly maxPositions: number;
  /**
   * Sliding window of each layer: how many keys a query sees at most, its own included; `null` for all. Whatever an
   * attention method plans for the layer is cut to it.
   */
  readonly windows: readonly (number | null)[];
  /** Whether the output head is the embedding. */
  readonly tiedEmbeddings: boolean;
  /** Multiplies embeddings. */
  readonly embedScale: number;
  /** Multiplies q.k: `1 / sqrt(dim)`, where the model does not say otherwise. */
  readonly scale: number;
  /** Ids that end a generation. */
  readonly eosIds: readonly number[];
}

/** Weights of one layer. */
export interface LayerWeights {
  /** Up to q, k and v. */
  readonly qkv: QkvWeights;
  /** After attention. */
  readonly output: OutputWeights;
}

/** All weights of a model in one backend's memory. */
export interface ModelWeights {
  /** `[vocab, hidden]` */
  readonly embed: Tensor;
  /** `[vocab, hidden]`; the same tensor as `embed` when tied. */
  readonly head: Tensor;
  /** `[hidden]` f32 */
  readonly norm: Tensor;
  /** One per layer. */
  readonly layers: readonly LayerWeights[];
  /** Bytes held: mapped and copied. */
  readonly sizeBytes: number;
  /** Frees everything. */
  close(): void;
}

/** Text to ids and back. */
export interface Tokenizer {
  /** Number of ids. */
  readonly vocabSize: number;
  /** Id that starts a text, if the tokenizer adds one. */
  readonly bosId: number | null;
  /** Conversations as prompts. */
  readonly chatTemplate: ChatTemplate;
  /** Ids of a text. `bos: true` adds what the tokenizer's post-processor adds at the start, once. @default false */
  encode(text: string, options?: { bos?: boolean }): Int32Array;
  /** Text of ids; special tokens are left out unless `special: true`. */
  decode(ids: ArrayLike<number>, options?: { special?: boolean }): string;
  /** The vocabulary entry of an id, as stored. */
  token(id: number): string;
  /** Text of one id to show, its blanks included: bytes that are no whole character as `<0xE2>`, special tokens by name. */
  piece(id: number): string;
  /** Decodes a growing sequence: each `push` returns the text that became certain (no half UTF-8 characters). */
  stream(): { push(id: number): string; flush(): string };
}
