/** Models of the Hugging Face hub: looked up, and fetched into the cache that is shared with `huggingface_hub`. */
import { join } from "node:path";
import { DownloadError } from "../../ffi/errors.ts";
import { loadConfig } from "./config.ts";
import { HubCache } from "./hub/cache.ts";
import { chooseFiles, chooseShards, INDEX } from "./hub/choose.ts";
import { freeDiskBytes, Room } from "./hub/disk.ts";
import { type Asked, downloadError } from "./hub/errors.ts";
import { fetchFiles, type FetchJob } from "./hub/fetch_files.ts";
import { type Patience, retrying } from "./hub/patience.ts";
import type { DownloadProgress } from "./hub/progress.ts";
import { type HubFile, isCommit, RemoteRepository } from "./hub/remote.ts";
import { hubSettings } from "./hub/settings.ts";
import { shardNames } from "./safetensors.ts";

export type { DownloadProgress } from "./hub/progress.ts";

/** A model of the hub. */
export interface HubReference {
  /** `org/name`. */
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** Options of {@link locateOnHub}. */
export interface HubOptions extends Partial<Patience> {
  /** Stops the download; what has come stays, and the next one goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** Called while the tokenizer and the weights come. */
  readonly onDownload?: ((progress: DownloadProgress) => void) | undefined;
  /** Called with what a person should know, such as that the hub does not answer and the cache is used. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Bytes free where a folder is, or `null` where that cannot be known. @default freeDiskBytes */
  readonly freeBytes?: (folder: string) => Promise<number | null>;
}

/** Attempts at a look-up: who mistyped an address should not wait for long. */
const LOOKUP_ATTEMPTS = 3;

/** How long the hub may take to answer where the cache has the model anyway. */
const CACHED_STALL_MS = 10_000;

/** What the cache has of a model: a whole snapshot, or the first thing that is missing. */
type Cached = { readonly folder: string } | { readonly folder: null; readonly lacks: string };

/**
 * Folder with the files of a model of the hub. What the cache lacks of its commit is fetched. Where the hub cannot be
 * asked and the cache has a whole model, that is taken with a notice.
 *
 * @throws {DownloadError} whose `reason` tells what is wrong
 */
export async function locateOnHub(
  { name, revision }: HubReference,
  options: HubOptions = {},
): Promise<string> {
  const settings = await hubSettings();
  const page = `${settings.endpoint}/${name}`;
  const asked: Asked = { what: `${name}@${revision}`, page, settings };
  const cache = new HubCache(settings.cache, name);
  const cached = await findCached(cache, revision);
  if (settings.offline) return cached.folder ?? refuseOffline(asked, cache, cached.lacks);
  const job = makeJob(name, asked, cache, options);
  const listing = await listOrUse(cached.folder, name, revision, job);
  if (listing === null) return cached.folder!;
  await fetchSnapshot(listing, job);
  await cache.remember(revision, listing.commit);
  return cache.snapshot(listing.commit);
}

/** A commit and its files. */
interface Listing {
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
}

async function findCached(cache: HubCache, revision: string): Promise<Cached> {
  const commit = await cache.commit(revision);
  if (commit === undefined) return { folder: null, lacks: `refs/${revision}` };
  const lacks = await cache.lacks(commit);
  return lacks === undefined ? { folder: cache.snapshot(commit) } : { folder: null, lacks };
}

function refuseOffline(asked: Asked, cache: HubCache, lacks: string): never {
  const rule = `HF_HUB_OFFLINE is set and the local cache must hold it`;
  throw downloadError("offline", asked, rule, `no ${lacks} in ${cache.folder}`);
}

function makeJob(name: string, asked: Asked, cache: HubCache, options: HubOptions): FetchJob {
  const { signal, onDownload = () => {}, onNotice = () => {} } = options;
  const { freeBytes = freeDiskBytes, attempts = 6, retryMs = 1000, stallMs = 30_000 } = options;
  const remote = new RemoteRepository(name, asked, { signal, stallMs });
  const patience = { attempts, retryMs, stallMs };
  const room = new Room(freeBytes, onNotice);
  return { ...patience, asked, remote, cache, signal, onDownload, onNotice, room };
}

/** What the hub has, or `null` where it cannot be asked and the `cached` snapshot does. */
async function listOrUse(
  cached: string | null,
  name: string,
  revision: string,
  job: FetchJob,
): Promise<Listing | null> {
  const attempts = Math.min(job.attempts, LOOKUP_ATTEMPTS);
  if (cached === null) return await list(job.remote, revision, { ...job, attempts });
  const stallMs = Math.min(job.stallMs, CACHED_STALL_MS);
  const remote = new RemoteRepository(name, job.asked, { signal: job.signal, stallMs });
  try {
    return await list(remote, revision, { ...job, attempts: 1 });
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    job.onNotice(`Takes the cached copy: ${error.message}`);
    return null;
  }
}

async function list(remote: RemoteRepository, revision: string, job: FetchJob): Promise<Listing> {
  const commit = isCommit(revision) ? revision : await retrying(() => remote.commit(revision), job);
  return { commit, files: await retrying(() => remote.files(commit), job) };
}

/** Fetches the configuration first: what is not supported is refused before gigabytes of it come. */
async function fetchSnapshot({ commit, files }: Listing, job: FetchJob): Promise<void> {
  const { asked, cache } = job;
  const folder = cache.snapshot(commit);
  const { first, rest } = chooseFiles(files, asked);
  await fetchFiles(first, commit, { ...job, onDownload: () => {} });
  await loadConfig(folder);
  const isSharded = first.some(({ name }) => name === INDEX);
  const names = isSharded ? await shardNames(join(folder, INDEX)) : [];
  await fetchFiles([...rest, ...chooseShards(names, files, asked)], commit, job);
}
