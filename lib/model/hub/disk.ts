/** Whether a download fits, asked before its first byte. */
import { statfs } from "node:fs/promises";
import { granted } from "../../../ffi/permissions.ts";
import type { HubCache } from "./cache.ts";
import { type Asked, downloadError } from "./errors.ts";
import type { HubFile } from "./remote.ts";

/** Bytes that are free where `folder` is, or `null` where `--allow-sys=statfs` is not given. */
export async function freeDiskBytes(folder: string): Promise<number | null> {
  if (!granted({ name: "sys", kind: "statfs" })) return null;
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Whether there is room for what a download brings, in as many steps as it comes in. */
export class Room {
  readonly #freeBytes: (folder: string) => Promise<number | null>;
  readonly #onNotice: (text: string) => void;
  #isTold = false;

  /** Asks `freeBytes`; where that cannot know, `onNotice` is told, once. */
  constructor(
    freeBytes: (folder: string) => Promise<number | null>,
    onNotice: (text: string) => void,
  ) {
    this.#freeBytes = freeBytes;
    this.#onNotice = onNotice;
  }

  /** Throws where `files` do not fit. */
  async assertFits(files: readonly HubFile[], cache: HubCache, asked: Asked): Promise<void> {
    const needed = await missingBytes(files, cache);
    const free = await this.#freeBytes(cache.folder);
    if (free === null) return this.#tell(asked);
    if (free >= needed) return;
    const rule = `it needs ${megabytes(needed)} of disk in ${cache.folder}`;
    throw downloadError("no-space", asked, rule, `${megabytes(free)} free`);
  }

  #tell({ what }: Asked): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#onNotice(
      `Free disk is not checked before ${what} is downloaded: allow --allow-sys=statfs`,
    );
  }
}

async function missingBytes(files: readonly HubFile[], cache: HubCache): Promise<number> {
  let bytes = 0;
  for (const file of files) {
    if (!await cache.hasBlob(file)) bytes += file.sizeBytes - await cache.partBytes(file);
  }
  return bytes;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
