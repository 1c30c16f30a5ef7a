import type { FileProgress } from "../session_types.ts";

/** How far `file` is; `began` as of `performance.now()`. */
export function progressOf(
  { doneBytes, dataBytes }: { doneBytes: number; dataBytes: number },
  began: number,
): FileProgress {
  return { kind: "file", done: doneBytes, total: dataBytes, ms: performance.now() - began };
}
