/** The errors that callers may want to catch. */
export {
  BackendError,
  BudgetError,
  CancelledError,
  DownloadError,
  type DownloadReason,
  LibraryError,
  ModelFormatError,
  SessionBusyError,
  SessionFileError,
  ShapeError,
  TokenizerError,
} from "../../ffi/errors.ts";
