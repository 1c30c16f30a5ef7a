/**
 * A repository in the local cache, laid out as `huggingface_hub` lays it out: `blobs/<etag>`, links to them in
 * `snapshots/<commit>/`, and `refs/<revision>` with the commit that a branch or tag meant when it was last looked up.
 */
import { dirname, join, relative } from "node:path";
import { ModelFormatError } from "../../../ffi/errors.ts";
import { exists } from "../json_file.ts";
import { refusal } from "../../../ffi/refusal.ts";
import { shardNames } from "../safetensors.ts";
import { INDEX, SINGLE } from "./choose.ts";
import { type HubFile, isCommit } from "./remote.ts";

/** The cached part of a repository. */
export class HubCache {
  /** Folder of the repository. */
  readonly folder: string;
  readonly #locks: string;

  /** Opens what `root` has of the repository `name`; nothing is written. */
  constructor(root: string, name: string) {
    const folder = `models--${name.replace("/", "--")}`;
    this.folder = join(root, folder);
    this.#locks = join(root, ".locks", folder);
  }

  /** Folder of the files of a commit. */
  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** Where the bytes of a file are. */
  blob({ etag }: HubFile): string {
    return join(this.folder, "blobs", etag);
  }

  /** Where the bytes of a file are until all have come. */
  part(file: HubFile): string {
    return `${this.blob(file)}.incomplete`;
  }

  /** The commit that `revision` meant when it was last looked up. */
  async commit(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const path = this.#ref(revision);
    if (!await exists(path)) return undefined;
    const commit = (await Deno.readTextFile(path)).trim();
    if (isCommit(commit)) return commit;
    throw refusal(ModelFormatError, "load model", `${path} must hold a commit`, commit);
  }

  /** Remembers what `revision` means. */
  async remember(revision: string, commit: string): Promise<void> {
    if (await this.commit(revision) === commit) return;
    const path = this.#ref(revision);
    await Deno.mkdir(dirname(path), { recursive: true });
    // Not in refs/, where every file is taken for a branch or tag.
    const whole = join(this.folder, `${crypto.randomUUID()}.tmp`);
    try {
      await Deno.writeTextFile(whole, commit, { createNew: true });
      await Deno.rename(whole, path);
    } catch (error) {
      await removeIfThere(whole);
      throw error;
    }
  }

  /** What the snapshot lacks that every model needs, or `undefined`. */
  async lacks(commit: string): Promise<string | undefined> {
    const folder = this.snapshot(commit);
    const needed = ["config.json", "tokenizer.json"];
    if (!await exists(join(folder, SINGLE))) {
      if (!await exists(join(folder, INDEX))) return SINGLE;
      needed.push(...await shardNames(join(folder, INDEX)));
    }
    for (const name of needed) if (!await exists(join(folder, name))) return name;
  }

  /** Whether the snapshot has the file, in its right size. */
  async has(commit: string, { name, sizeBytes }: HubFile): Promise<boolean> {
    return await sizeOf(join(this.snapshot(commit), name)) === sizeBytes;
  }

  /** Whether the bytes of the file are there, for this commit or another. */
  async hasBlob(file: HubFile): Promise<boolean> {
    return await sizeOf(this.blob(file)) === file.sizeBytes;
  }

  /** Bytes of the file that have come already. */
  async partBytes(file: HubFile): Promise<number> {
    return await sizeOf(this.part(file)) ?? 0;
  }

  /** Makes the folders that a commit's files go to. */
  async prepare(commit: string): Promise<void> {
    for (const folder of [join(this.folder, "blobs"), this.snapshot(commit), this.#locks]) {
      await Deno.mkdir(folder, { recursive: true });
    }
  }

  /** Shows the file's blob in the commit's snapshot. */
  async link(commit: string, file: HubFile): Promise<void> {
    const path = join(this.snapshot(commit), file.name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await removeIfThere(path);
    try {
      await Deno.symlink(relative(dirname(path), this.blob(file)), path);
    } catch {
      // Needs --allow-read and --allow-write without a path, and on Windows a privilege.
      await Deno.link(this.blob(file), path);
    }
  }

  /** The file whose lock Python's library takes, too, while it downloads a blob. */
  async lockFile({ etag }: HubFile): Promise<Deno.FsFile> {
    const path = join(this.#locks, `${etag}.lock`);
    return await Deno.open(path, { create: true, write: true, mode: 0o664 });
  }

  #ref(revision: string): string {
    return join(this.folder, "refs", revision);
  }
}

/** Removes the file, if it is there. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** `undefined` where there is no such file: another load may just have finished, and renamed, it. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return undefined;
    throw error;
  }
}
