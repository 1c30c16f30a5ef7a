/** Files of a commit into the cache: those that are not there, one after another, each by one process at a time. */
import type { HubCache } from "./cache.ts";
import { assertSpace } from "./disk.ts";
import { type Asked, downloadError, explained } from "./errors.ts";
import { Part } from "./part.ts";
import { type Patience, pause, retrying } from "./patience.ts";
import { type DownloadProgress, Meter } from "./progress.ts";
import type { HubFile, OpenedBytes, RemoteRepository } from "./remote.ts";

const LOCK_POLL_MS = 100;

/** What a download needs. */
export interface FetchJob extends Patience {
  /** What was asked for. */
  readonly asked: Asked;
  /** Where files come from. */
  readonly remote: RemoteRepository;
  /** Where files go. */
  readonly cache: HubCache;
  /** Stops the download; what has come stays. */
  readonly signal: AbortSignal | undefined;
  /** Called while bytes come. */
  readonly onDownload: (progress: DownloadProgress) => void;
  /** Called with what a person should know. */
  readonly onNotice: (text: string) => void;
  /** Bytes free where a folder is, or `null` where that cannot be known. */
  readonly freeBytes: (folder: string) => Promise<number | null>;
}

/** Fetches those of `files` that the snapshot of `commit` lacks. */
export async function fetchFiles(
  files: readonly HubFile[],
  commit: string,
  job: FetchJob,
): Promise<void> {
  const { asked, cache, onDownload } = job;
  const missing: HubFile[] = [];
  for (const file of files) if (!await cache.has(commit, file)) missing.push(file);
  if (missing.length === 0) return;
  await cache.prepare(commit);
  await assertSpace(missing, cache, asked, job);
  const total = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const meter = new Meter(total, onDownload);
  for (const file of missing) {
    using _lock = await lock(file, job);
    if (await cache.hasBlob(file)) meter.found(file.name, file.sizeBytes);
    else await fetchBlob(file, commit, job, meter);
    await cache.link(commit, file);
  }
}

async function lock(file: HubFile, job: FetchJob): Promise<Deno.FsFile> {
  const { asked, cache, onNotice, signal } = job;
  const opened = await cache.lockFile(file);
  try {
    for (let tries = 0; !await opened.tryLock(true); tries++) {
      if (tries === 0) onNotice(`Waits for another download of ${file.name} of ${asked.what}`);
      await pause(LOCK_POLL_MS, asked, signal);
    }
    return opened; // the system gives the lock back when the file is closed
  } catch (error) {
    opened.close();
    throw error;
  }
}

async function fetchBlob(
  file: HubFile,
  commit: string,
  job: FetchJob,
  meter: Meter,
): Promise<void> {
  const { asked, cache, remote } = job;
  using part = await Part.open(cache.part(file), file, asked);
  meter.found(file.name, part.filled);
  let parallel = file.xet && asked.settings.xet;
  const attempt = async () => {
    if (part.isFull) return;
    const xet = parallel;
    parallel = false; // what fails over Xet goes on over plain http
    const opened = await remote.open(commit, file, part.filled, xet);
    await fill(part, file, opened, job, meter);
  };
  await retrying(attempt, { ...job, progress: () => part.filled });
  await part.keep(cache.blob(file));
  meter.ended(file.name);
}

async function fill(
  part: Part,
  { name, sizeBytes }: HubFile,
  { bytes, from }: OpenedBytes,
  job: FetchJob,
  meter: Meter,
): Promise<void> {
  if (from !== part.filled) {
    meter.found(name, -part.filled);
    await part.restart();
  }
  for await (const chunk of chunksOf(bytes, job)) {
    await part.append(chunk);
    meter.received(name, chunk.length);
  }
  if (part.isFull) return;
  const rule = `the connection must not end before ${name} does`;
  throw downloadError("network", job.asked, rule, `${part.filled} of ${sizeBytes} bytes`);
}

async function* chunksOf(
  bytes: ReadableStream<Uint8Array>,
  { asked, signal }: FetchJob,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw explained(error, asked, signal);
  }
}
