import type { Model } from "../engine/model.ts";
import { interruptible } from "./interruptible.ts";
import { loadModel, threadsOption } from "./load_model.ts";
import { ProgressLine } from "./progress_line.ts";

/** What options say of the model. */
export interface ModelOptions {
  /** A reference that `Model.load()` takes. */
  readonly model?: string | undefined;
  /** Threads of the native library. */
  readonly threads?: string | undefined;
}

/** Loads a model for work that Ctrl-C ends, and closes it. Whether the work came to its end. */
export async function withModel(
  { model: ref, threads }: ModelOptions,
  work: (model: Model, signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const model = await loadModel(ref, new ProgressLine(), threadsOption(threads));
  try {
    return await interruptible((signal) => work(model, signal));
  } finally {
    model.close();
  }
}
