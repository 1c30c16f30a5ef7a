/** How indexes do on the queries and keys of real texts, head by head. */
import type { IndexTrial, IndexTrialOptions } from "../engine/index_probe.ts";
import {
  type CoveredModel,
  noneGiven,
  type ProbedTextOptions,
  probedTexts,
} from "./probed_texts.ts";

/** Options of {@link indexTrials}. */
export interface IndexTrialsOptions extends ProbedTextOptions {
  /** Indexes to compare. */
  readonly indexes: readonly IndexTrialOptions["index"][];
  /**
   * Keys that are asked for.
   * @default 100
   */
  readonly topK?: number;
  /**
   * Rows of each text that ask: the last ones.
   * @default 64
   */
  readonly rows?: number;
  /**
   * Queries of each head that may build an index.
   * @default 4096
   */
  readonly samples?: number;
}

/** How one index did for one head of a text. */
export interface IndexTrialRow extends IndexTrial {
  /** Name of the text. */
  readonly text: string;
  /** Its tokens. */
  readonly tokens: number;
  /** Kind of the index. */
  readonly index: string;
  /** Kind and options that are not the default. */
  readonly parameter: string;
  /** Layer number. */
  readonly layer: number;
  /** Query head. */
  readonly head: number;
  /** Keys of the index. */
  readonly keys: number;
  /** Milliseconds of a search of the layer, over its query heads. */
  readonly searchMs: number;
  /** The same of exact search. */
  readonly exactMs: number;
  /** Milliseconds of building for the layer, over its query heads. */
  readonly buildMs: number;
  /** Bytes for the layer, over its query heads. */
  readonly bytes: number;
}

/**
 * Builds each index over the keys of each layer of each text, which the model has read densely, and asks it by the text's last
 * rows: a row for every head. Layers with a sliding window of their own are left out.
 *
 * @throws {RangeError} when an option is out of range or a text is too short
 */
export async function* indexTrials(
  model: CoveredModel,
  options: IndexTrialsOptions,
): AsyncGenerator<IndexTrialRow, void> {
  const { indexes, topK, rows, samples } = options;
  if (indexes.length === 0) throw noneGiven("indexes");
  const how = {
    ...(topK === undefined ? {} : { topK }),
    ...(rows === undefined ? {} : { rows }),
    ...(samples === undefined ? {} : { samples }),
  };
  for await (const { probe, text } of probedTexts(model, options)) {
    if (probe.window !== null) continue;
    for (const index of indexes) {
      const { heads, ...layer } = await probe.tryIndex({ ...how, index });
      const each = (value: number) => value / heads.length;
      const costs = {
        searchMs: each(layer.searchMs),
        exactMs: each(layer.exactMs),
        buildMs: each(layer.buildMs),
        bytes: each(layer.bytes),
      };
      const name = { index: index.kind, parameter: layer.name };
      const place = { text, tokens: probe.tokens, layer: probe.layer, keys: layer.keys };
      yield* heads.map((trial, head) => ({ ...place, ...name, head, ...costs, ...trial }));
    }
  }
}
