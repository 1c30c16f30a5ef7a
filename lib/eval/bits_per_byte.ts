import type { Model } from "../engine/model.ts";

/** Options of {@link bitsPerByte}. */
export interface BitsPerByteOptions {
  /**
   * Tokens of a window. Each window is read without what came before it, so that models of different contexts compare.
   * @default 512
   */
  readonly window?: number;
  /** Called after each window with the share that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
  /** Stops the run. */
  readonly signal?: AbortSignal;
}

/**
 * Bits that a model needs for a byte of a text: minus the binary logarithm of the text's probability over its UTF-8
 * bytes. The first token of a window counts only where a BOS token stands before it.
 */
export async function bitsPerByte(
  model: Model,
  text: string,
  options: BitsPerByteOptions = {},
): Promise<number> {
  const { window = 512, onProgress = () => {}, signal } = options;
  const ids = model.tokenizer.encode(text);
  let nats = 0;
  for (let start = 0; start < ids.length; start += window) {
    nats -= await windowScore(model, ids.subarray(start, start + window), signal);
    onProgress(Math.min(1, (start + window) / ids.length));
  }
  return nats / Math.LN2 / new TextEncoder().encode(text).length;
}

async function windowScore(
  model: Model,
  ids: Int32Array,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { bosId } = model.tokenizer;
  const session = model.session();
  try {
    const started = bosId === null ? ids : Int32Array.of(bosId, ...ids);
    return (await session.score(started, signal ? { signal } : {})).total;
  } finally {
    session.close();
  }
}
