/** Why something cannot be had from a hub, in words that say what to do about it. */
import { CancelledError, DownloadError, type DownloadReason } from "../../../ffi/errors.ts";
import type { HubSettings } from "./settings.ts";

/** What was asked of which hub, for messages. */
export interface Asked {
  /** `org/name@revision`. */
  readonly what: string;
  /** Page of the repository. */
  readonly page: string;
  /** The hub. */
  readonly settings: HubSettings;
}

/** An error about what was asked. */
export function downloadError(
  reason: DownloadReason,
  { what }: Asked,
  rule: string,
  value: unknown,
  cause?: unknown,
): DownloadError {
  const message = `Cannot download ${what} as ${rule}: current value is ${value}`;
  return new DownloadError(withoutPasswords(message), { reason, cause });
}

/** The address of a hub may hold a name and a password, and other addresses begin with it. */
function withoutPasswords(text: string): string {
  return text.replaceAll(/(https?:\/\/)[^/\s]*@/g, "$1");
}

/** The error of an answer of the hub that is none of 200 to 299. */
export function statusError(
  { status, headers }: Response,
  { origin, pathname }: URL,
  asked: Asked,
): DownloadError {
  const address = `${origin}${pathname}`; // without a query, which may be a signature
  if (status === 401) return unauthorised(asked);
  if (status === 403) return forbidden(asked);
  if (status === 404) return notFound(headers.get("x-error-code"), address, asked);
  const reason = status >= 500 || status === 429 || status === 408 ? "network" : "failed";
  const value = `${status} for ${address}`;
  return downloadError(reason, asked, "the server must answer with the file", value);
}

function unauthorised(asked: Asked): DownloadError {
  const { page, settings: { endpoint, token } } = asked;
  if (token) {
    const rule = `the hub must accept the token of ${token.source}`;
    return downloadError("unauthorised", asked, rule, "401, so it is wrong or has expired");
  }
  return downloadError(
    "unauthorised",
    asked,
    "the hub shows it to nobody without a token, so it does not exist, is private or is gated",
    `401; where it exists, accept its terms at ${page} and set HF_TOKEN to a token from ${endpoint}/settings/tokens`,
  );
}

function forbidden(asked: Asked): DownloadError {
  const { page, settings: { token } } = asked;
  const who = token ? `the account of the token of ${token.source}` : "a reader without a token";
  return downloadError(
    "unauthorised",
    asked,
    `${who} must have access to it`,
    `403; accept its terms at ${page} and use a token that may read gated repositories`,
  );
}

const ABSENT: ReadonlyMap<string | null, string> = new Map([
  ["RevisionNotFound", "revision"],
  ["EntryNotFound", "file"],
]);

function notFound(code: string | null, url: string, asked: Asked): DownloadError {
  const rule = `the hub must have the ${ABSENT.get(code) ?? "repository"}`;
  return downloadError("not-found", asked, rule, `404 for ${url}`);
}

/** Whether asking again may help. */
export function isPassing(error: unknown): error is DownloadError {
  return error instanceof DownloadError && error.reason === "network";
}

/** Whether the bytes that came are not those that were announced. */
export function isDamage(error: unknown): error is DownloadError {
  return error instanceof DownloadError && error.reason === "checksum";
}

/** Whether a transfer over Xet failed with what plain http may be free of: other hosts answer there. */
export function isOnlyOfXet(error: unknown): error is DownloadError {
  return error instanceof DownloadError && !["checksum", "no-space"].includes(error.reason);
}

/** What a failed request means: a stop that the caller asked for, an error that explains itself, or trouble on the way. */
export function explained(
  error: unknown,
  asked: Asked,
  signal: AbortSignal | undefined,
): DownloadError | CancelledError {
  if (signal?.aborted) return cancelled(asked, signal);
  if (error instanceof DownloadError || error instanceof CancelledError) return error;
  const reason = error instanceof SyntaxError ? "failed" : "network";
  return downloadError(reason, asked, "the transfer failed", messageOf(error));
}

/** The error of a stop. */
export function cancelled({ what }: Asked, { reason }: AbortSignal): CancelledError {
  return new CancelledError(
    `The download of ${what} was cancelled; what has come stays and the next load goes on from there`,
    { cause: reason },
  );
}

/** Addresses of files are signed: what follows a question mark is as good as a key. Hence no cause is passed on, either. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return withoutQueries(String(error));
  const text = withoutQueries(error.message);
  return error.cause === undefined ? text : `${text}: ${messageOf(error.cause)}`;
}

function withoutQueries(text: string): string {
  return text.replaceAll(/\?[^\s)"']*/g, "");
}
