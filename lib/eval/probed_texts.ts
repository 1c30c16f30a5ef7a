/** Texts that a model reads densely, layer by layer, so that something can be tried on their queries and keys. */
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { LayerProbe } from "../engine/head_probe.ts";
import type { Model } from "../engine/model.ts";

/** A text whose attention is looked at. */
export interface CoverageText {
  /** Its name, for people. */
  readonly name: string;
  /** The text, or its token ids; the first `tokens` of them are used. */
  readonly text: string | Int32Array;
}

/** What is read, and how. */
export interface ProbedTextOptions {
  /** What is read; each needs `tokens` tokens. */
  readonly texts: readonly CoverageText[];
  /** Tokens of each text. */
  readonly tokens: number;
  /**
   * Tokens that are planned together.
   * @default 2048
   */
  readonly chunkTokens?: number;
  /**
   * Element type of keys and values.
   * @default "bf16"
   */
  readonly kv?: "f32" | "bf16" | "int8";
  /**
   * Layers to look at.
   * @default all layers
   */
  readonly layers?: readonly number[];
  /** Called after each layer, with the part of all that is done, 0 to 1. */
  readonly onProgress?: (share: number, what: string) => void;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** What is needed of a model. */
export type CoveredModel = Pick<Model, "config" | "tokenizer" | "session">;

/** A layer of a text. */
export interface ProbedLayer {
  /** Name of the text. */
  readonly text: string;
  /** The layer; valid until the walk goes on. */
  readonly probe: LayerProbe;
}

/**
 * Stops at the layers of each text.
 *
 * @throws {RangeError} when an option is out of range or a text is too short
 */
export async function* probedTexts(
  model: CoveredModel,
  options: ProbedTextOptions,
): AsyncGenerator<ProbedLayer, void> {
  const { texts, onProgress = () => {} } = options;
  const ids = checkedIds(model, options);
  const layers = options.layers?.length ?? model.config.layers;
  for (const [number, { name }] of texts.entries()) {
    let done = number * layers;
    for await (const probe of walk(model, ids[number]!, options)) {
      yield { text: name, probe };
      onProgress(++done / (layers * texts.length), `${name}, layer ${probe.layer}`);
    }
  }
}

/** The error of a list that must not be empty. */
export function noneGiven(name: string): RangeError {
  return new RangeError(
    `Cannot cover a text as ${name} must be at least one: current value is 0`,
  );
}

function checkedIds({ tokenizer }: CoveredModel, options: ProbedTextOptions): Int32Array[] {
  const { texts, tokens, chunkTokens = CHUNK_TOKENS } = options;
  if (texts.length === 0) throw noneGiven("texts");
  for (const [name, value] of Object.entries({ tokens, chunkTokens })) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    throw new RangeError(
      `Cannot cover a text as ${name} must be a whole number >= 1: current value is ${value}`,
    );
  }
  return texts.map(({ name, text }) => {
    const ids = typeof text === "string" ? tokenizer.encode(text, { bos: true }) : text;
    if (ids.length >= tokens) return ids.slice(0, tokens);
    throw new RangeError(
      `Cannot cover ${name} as it must have ${tokens} tokens: current value is ${ids.length}`,
    );
  });
}

/** The layers of a text, in a session that is closed afterwards. */
async function* walk(
  model: CoveredModel,
  ids: Int32Array,
  { kv = "bf16", chunkTokens = CHUNK_TOKENS, layers, signal }: ProbedTextOptions,
): AsyncGenerator<LayerProbe, void> {
  const session = model.session({ kv, chunkTokens });
  try {
    const which = { ...(layers ? { layers } : {}), ...(signal ? { signal } : {}) };
    yield* session.probe(ids, which);
  } finally {
    session.close();
  }
}
