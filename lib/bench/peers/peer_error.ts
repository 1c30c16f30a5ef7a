/** A peer could not be measured: its process died, answered nonsense, failed or exceeded its time. */
export class PeerError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_PEER";
  /** Name of the class. */
  override name = "PeerError";
}
