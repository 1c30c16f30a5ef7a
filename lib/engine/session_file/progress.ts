import type { RunControl } from "../../../ffi/backend.ts";
import type { FileProgress } from "../session_types.ts";

/** How a run through a file is followed and stopped. */
export interface FileRun {
  /** Told of every block. */
  readonly emit: (event: FileProgress) => void;
  /** Stops it between blocks. */
  readonly signal: AbortSignal;
  /** Stops what comes before and between blocks. */
  readonly control: RunControl;
}

/** How far `file` is; `began` as of `performance.now()`. */
export function progressOf(
  { doneBytes, dataBytes }: { doneBytes: number; dataBytes: number },
  began: number,
): FileProgress {
  return { kind: "file", done: doneBytes, total: dataBytes, ms: performance.now() - began };
}
