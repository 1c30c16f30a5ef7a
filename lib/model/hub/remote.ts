/** A repository of a hub: what it holds at a revision, and the bytes of its files. */
import type { ListFileEntry } from "@huggingface/hub";
import { type Asked, downloadError, explained } from "./errors.ts";
import { hubFetch } from "./hub_fetch.ts";
import type { TransferOptions } from "./transfer.ts";

/** A file of a repository, as its hub lists it. */
export interface HubFile {
  /** Its path in the repository. */
  readonly name: string;
  /** Its size. */
  readonly sizeBytes: number;
  /** Hexadecimal digits of its SHA-256 (large files), or of its git object (others): the name of its blob. */
  readonly etag: string;
  /** Whether the hub has it in Xet storage. */
  readonly xet: boolean;
}

/** Bytes of a file on their way. */
export interface OpenedBytes {
  /** The bytes. */
  readonly bytes: ReadableStream<Uint8Array>;
  /** Where in the file they begin: at what was asked for, or at 0. */
  readonly from: number;
}

const COMMIT = /^[0-9a-f]{40}$/;
const ETAG = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Whether `revision` is a commit, which always means the same files. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** A repository that a hub serves. */
export class RemoteRepository {
  readonly #name: string;
  readonly #asked: Asked;
  readonly #signal: AbortSignal | undefined;
  readonly #fetch: typeof fetch;

  /** Asks for `name`. */
  constructor(name: string, asked: Asked, options: TransferOptions) {
    this.#name = name;
    this.#asked = asked;
    this.#signal = options.signal;
    this.#fetch = hubFetch(asked, options);
  }

  /** The commit that `revision` means now. */
  async commit(revision: string): Promise<string> {
    const { modelInfo } = await import("@huggingface/hub");
    const asked = { name: this.#name, revision, ...this.#access() };
    const { sha } = await this.#answer(modelInfo({ ...asked, additionalFields: ["sha"] }));
    if (typeof sha === "string" && isCommit(sha)) return sha;
    throw downloadError("failed", this.#asked, "the hub must name a commit", JSON.stringify(sha));
  }

  /** Files of `commit` by path; the paths are the server's word. */
  async files(commit: string): Promise<Map<string, HubFile>> {
    const { listFiles } = await import("@huggingface/hub");
    const repo = { type: "model", name: this.#name } as const;
    const entries = listFiles({ repo, revision: commit, recursive: true, ...this.#access() });
    const files = new Map<string, HubFile>();
    for (const entry of await this.#answer(Array.fromAsync(entries))) {
      if (entry.type === "file") files.set(entry.path, readEntry(entry));
    }
    return files;
  }

  /** The bytes of a file from `offset` on, by way of the Xet storage where `xet` says so and the hub offers it. */
  async open(commit: string, file: HubFile, offset: number, xet: boolean): Promise<OpenedBytes> {
    try {
      const parallel = xet ? await this.#openXet(commit, file, offset) : null;
      return parallel ?? await this.#openPlain(commit, file, offset);
    } catch (error) {
      throw explained(error, this.#asked, this.#signal);
    }
  }

  async #openXet(commit: string, { name }: HubFile, offset: number): Promise<OpenedBytes | null> {
    const { downloadFile, fileDownloadInfo } = await import("@huggingface/hub");
    const repo = { type: "model", name: this.#name } as const;
    const asked = { repo, path: name, revision: commit, ...this.#access() };
    const downloadInfo = await fileDownloadInfo(asked);
    if (!downloadInfo?.xet) return null;
    const blob = await downloadFile({ ...asked, downloadInfo });
    return blob && { bytes: blob.slice(offset).stream(), from: offset };
  }

  async #openPlain(commit: string, { name }: HubFile, offset: number): Promise<OpenedBytes> {
    const url = `${this.#asked.settings.endpoint}/${this.#name}/resolve/${commit}/${name}`;
    const headers = {
      "accept-encoding": "identity",
      ...(offset > 0 && { range: `bytes=${offset}-` }),
    };
    const response = await this.#fetch(url, { headers });
    const from = firstByte(response);
    if (response.ok && (from === offset || from === 0)) {
      return { bytes: response.body ?? new Blob().stream(), from };
    }
    await response.body?.cancel();
    const rule = `its server must send ${name} from byte ${offset}`;
    throw downloadError("network", this.#asked, rule, `${response.status} from byte ${from}`);
  }

  #access(): { hubUrl: string; fetch: typeof fetch } {
    return { hubUrl: this.#asked.settings.endpoint, fetch: this.#fetch };
  }

  async #answer<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw explained(error, this.#asked, this.#signal);
    }
  }
}

function readEntry({ path: name, size, oid, lfs, xetHash }: ListFileEntry): HubFile {
  return {
    name,
    sizeBytes: lfs?.size ?? size,
    etag: lfs?.oid ?? oid ?? "",
    xet: xetHash !== undefined,
  };
}

/** Whether what a hub says of a file can be used: sizes are counts, and checksums become names of files. */
export function isSound({ sizeBytes, etag }: HubFile): boolean {
  return Number.isSafeInteger(sizeBytes) && sizeBytes >= 0 && ETAG.test(etag);
}

function firstByte({ status, headers }: Response): number {
  if (status !== 206) return 0;
  return Number(headers.get("content-range")?.match(/^bytes (\d+)-/)?.[1] ?? NaN);
}
