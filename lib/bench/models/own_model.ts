/** A model of ours as its users run it: a session with everything as it is by default. */
import { Model } from "../../engine/model.ts";
import type { Session } from "../../engine/session.ts";

/** What was read. */
export interface ReadText {
  /** Milliseconds until the token that follows was chosen. */
  readonly ms: number;
  /** That token. */
  readonly chosen: number;
}

/** What was generated. */
export interface Generated {
  /** Milliseconds in all. */
  readonly ms: number;
  /** Ids. */
  readonly ids: readonly number[];
}

/** A model, and the session that read the last text. */
export class OwnModel {
  readonly #model: Model;
  #session: Session | null = null;

  private constructor(model: Model) {
    this.#model = model;
  }

  /** Loads a model onto the CPU. */
  static async load(path: string, threads: number, signal: AbortSignal): Promise<OwnModel> {
    return new OwnModel(await Model.load(path, { backend: "cpu", threads, signal }));
  }

  /** Its shapes. */
  get config(): Model["config"] {
    return this.#model.config;
  }

  /**
   * The first `tokens` ids of a text.
   *
   * @throws {RangeError} when it has fewer
   */
  ids(text: string, tokens: number): Int32Array {
    const ids = this.#model.tokenizer.encode(text, { bos: true });
    if (ids.length >= tokens) return ids.slice(0, tokens);
    throw new RangeError(
      `Cannot read ${tokens} tokens as the text must have as many: current value is ${ids.length}`,
    );
  }

  /** Reads a text with a new session and chooses the token that follows. */
  async read(ids: Int32Array, signal: AbortSignal): Promise<ReadText> {
    this.#session?.close();
    const session = this.#session = this.#model.session();
    const start = performance.now();
    await session.prefill(ids, { signal });
    const { token } = await session.step({ signal });
    return { ms: performance.now() - start, chosen: token };
  }

  /** Generates behind what was read, whatever would end the text. The session stays as it was. */
  async generate(count: number, signal: AbortSignal): Promise<Generated> {
    const session = this.#session!.fork();
    const ids: number[] = [];
    const start = performance.now();
    try {
      while (ids.length < count) {
        ids.push(...(await session.generate({ maxTokens: count - ids.length, signal })).ids);
      }
      return { ms: performance.now() - start, ids };
    } finally {
      session.close();
    }
  }

  /** Frees it. */
  close(): void {
    this.#model.close();
  }
}
