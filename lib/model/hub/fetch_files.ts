/** Files of a commit into the cache: those that are not there, one after another, each by one process at a time. */
import type { HubCache } from "./cache.ts";
import type { Room } from "./disk.ts";
import { type Asked, downloadError, explained, isDamage, isOnlyOfXet } from "./errors.ts";
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
  /** Where all files must fit. */
  readonly room: Room;
}

/** Fetches those of `files` that the snapshot of `commit` lacks. */
export async function fetchFiles(
  files: readonly HubFile[],
  commit: string,
  job: FetchJob,
): Promise<void> {
  const { asked, cache, onDownload, room } = job;
  const missing: HubFile[] = [];
  for (const file of files) if (!await cache.has(commit, file)) missing.push(file);
  if (missing.length === 0) return;
  await cache.prepare(commit);
  await room.assertFits(missing, cache, asked);
  const total = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const meter = new Meter(total, onDownload);
  for (const file of missing) {
    using _lock = await lock(file, job);
    if (await cache.hasBlob(file)) meter.found(file.name, file.sizeBytes);
    else await fetchBlob(file, commit, job, meter);
    // A link that is there already may be what another process opens just now.
    if (!await cache.has(commit, file)) await cache.link(commit, file);
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

/** Wrong bytes that came over Xet, now or in an earlier load, are fetched anew over plain http. */
async function fetchBlob(
  file: HubFile,
  commit: string,
  job: FetchJob,
  meter: Meter,
): Promise<void> {
  const { asked, cache, onNotice } = job;
  const xet = file.xet && asked.settings.xet;
  using part = await Part.open(cache.part(file), file, asked);
  try {
    await fetchPart(part, file, commit, job, meter, xet);
  } catch (error) {
    if (!xet || !isDamage(error)) throw error;
    onNotice(`Begins anew without Xet: ${error.message}`);
    meter.found(file.name, -part.filled);
    using again = await Part.open(cache.part(file), file, asked);
    await fetchPart(again, file, commit, job, meter, false);
  }
}

/** What fails over Xet goes on over plain http. */
async function fetchPart(
  part: Part,
  file: HubFile,
  commit: string,
  job: FetchJob,
  meter: Meter,
  xet: boolean,
): Promise<void> {
  const { cache, remote, onNotice } = job;
  meter.found(file.name, part.filled);
  const goOn = async (xet: boolean) => {
    if (part.isFull) return;
    await fill(part, file, await remote.open(commit, file, part.filled, xet), job, meter);
  };
  try {
    if (xet) await goOn(true);
  } catch (error) {
    if (!isOnlyOfXet(error)) throw error;
    onNotice(`Goes on without Xet: ${error.message}`);
  }
  await retrying(() => goOn(false), { ...job, progress: () => part.filled });
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
