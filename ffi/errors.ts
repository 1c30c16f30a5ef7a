/** The errors of Longlens. Each has a `code` that does not change between versions. */

/** A wrong shape, length or dtype of an argument; the message names the argument. */
export class ShapeError extends TypeError {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_SHAPE";
  /** Name of the class. */
  override name = "ShapeError";
}

/** The native library reported a failure, or a backend cannot do what was asked. */
export class BackendError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_BACKEND";
  /** Name of the class. */
  override name = "BackendError";
}

/** The native library could not be found, built or loaded. */
export class LibraryError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_LIBRARY";
  /** Name of the class. */
  override name = "LibraryError";
}

/** Memory or context that was asked for exceeds what there is. */
export class BudgetError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_BUDGET";
  /** Name of the class. */
  override name = "BudgetError";
}

/** A run was stopped by its signal, by SIGINT or by closing. */
export class CancelledError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_CANCELLED";
  /** Name of the class. */
  override name = "CancelledError";
}

/** A model file is damaged, lies about itself, or is of a kind that is not supported. */
export class ModelFormatError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_MODEL_FORMAT";
  /** Name of the class. */
  override name = "ModelFormatError";
}

/** A tokenizer file is damaged or not supported. */
export class TokenizerError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_TOKENIZER";
  /** Name of the class. */
  override name = "TokenizerError";
}

/**
 * Why a download failed: only the cache may be used (`HF_HUB_OFFLINE`); there is no such repository, revision or file; the
 * hub wants a token, or terms to be accepted; the disk is full; bytes are not those announced; the repository is no whole
 * model; Deno was not allowed to; the network or the server does not work; anything else.
 */
export type DownloadReason =
  | "offline"
  | "not-found"
  | "unauthorised"
  | "no-space"
  | "checksum"
  | "incomplete"
  | "permission"
  | "network"
  | "failed";

/** A file could not be downloaded or does not match its checksum. */
export class DownloadError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_DOWNLOAD";
  /** Name of the class. */
  override name = "DownloadError";
  /** What kind of failure it is. */
  readonly reason: DownloadReason;

  /** An error of the kind `reason`. */
  constructor(message: string, options: ErrorOptions & { readonly reason?: DownloadReason } = {}) {
    const { reason = "failed", ...others } = options;
    super(message, others);
    this.reason = reason;
  }
}

/** A second run was started on a session that is busy with one. */
export class SessionBusyError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_SESSION_BUSY";
  /** Name of the class. */
  override name = "SessionBusyError";
}

/** A session could not be saved, or a file is torn, foreign or not of the model and cannot be restored. */
export class SessionFileError extends Error {
  /** Stable identifier of the error's kind. */
  readonly code = "LONGLENS_SESSION_FILE";
  /** Name of the class. */
  override name = "SessionFileError";
}
