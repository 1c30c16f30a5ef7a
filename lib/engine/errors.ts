/** The errors that callers may want to catch. */
export {
  BackendError,
  BudgetError,
  CancelledError,
  DownloadError,
  LibraryError,
  ModelFormatError,
  SessionBusyError,
  ShapeError,
  TokenizerError,
} from "../../ffi/errors.ts";
