import { CancelledError } from "../../ffi/errors.ts";
import { type LoadOptions, Model } from "../engine/model.ts";
import { bytes } from "./format.ts";
import { wholeNumber } from "./option_values.ts";
import type { ProgressLine } from "./progress_line.ts";

/** Loads a model with a line that shows what takes long: a download, a build of the native library. */
export async function loadModel(
  ref: string | undefined,
  line: ProgressLine,
  options: LoadOptions = {},
): Promise<Model> {
  try {
    return await Model.load(ref, {
      onNotice(text) {
        line.clear();
        console.error(text);
      },
      onBuild: ({ done, total, step }) =>
        line.update(done / total, `building the native library: ${step}`),
      onDownload: ({ file, done, total, bytesPerSecond }) =>
        line.update(done / total, `${bytes(total)}, ${bytes(bytesPerSecond)}/s: ${file}`),
      ...options,
    });
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    line.clear();
    console.error(error.message);
    Deno.exit(130);
  } finally {
    line.clear();
  }
}

/** What `--threads N` says of loading. */
export function threadsOption(threads: string | undefined): Pick<LoadOptions, "threads"> {
  return threads === undefined ? {} : { threads: wholeNumber("threads", threads, 1) };
}
