/** A trace that cannot be written or read. */
export class TraceError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_TRACE";
  /** Name of the class. */
  override name = "TraceError";
}

/** What a caught value says. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
