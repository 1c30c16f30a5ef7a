import { basename, dirname, join, resolve } from "node:path";
import { CancelledError } from "./errors.ts";
import { granted } from "./permissions.ts";

/** The bits of a mode that say who may read, write and run a file. */
const MODE = 0o777;

const PART = /^\.[0-9a-f-]{36}\.tmp$/;

/**
 * Puts what `write` writes in the place of the file at `path`. Whoever is killed when, there is the old file or the
 * new one, whole. The mode of the old file stays. What killed writers left beside it is
 * removed. An abort counts until the new file takes its place.
 */
export async function replaceFile<T>(
  path: string,
  signal: AbortSignal | undefined,
  write: (file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const target = await resolveTarget(path);
  const part = `${target.path}.${crypto.randomUUID()}.tmp`;
  const result = await writePart(part, target, signal, write);
  const folder = dirname(target.path);
  // The file is in its place: what follows may fail, and must not ask for permissions.
  if (granted({ name: "read", path: folder })) {
    await syncFolder(folder).catch(() => {});
    await removeLeftovers(folder, basename(target.path)).catch(() => {});
  }
  return result;
}

/** What is replaced. */
interface Target {
  readonly path: string;
  /** Who may read and write it; `null` where it is not there, or the system has no such modes. */
  readonly mode: number | null;
}

/** A link stays, and what it points to is replaced; what is no file is not. */
async function resolveTarget(path: string): Promise<Target> {
  let target: string;
  try {
    target = await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { path: resolve(path), mode: null };
    throw error;
  }
  const { isFile, mode } = await Deno.stat(target);
  if (isFile) return { path: target, mode };
  throw new TypeError("there is something that is no file");
}

async function writePart<T>(
  part: string,
  target: Target,
  signal: AbortSignal | undefined,
  write: (file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const file = openLike(target, part);
  try {
    const result = await write(file);
    await file.sync();
    if (signal?.aborted) {
      throw new CancelledError("The run was cancelled", { cause: signal.reason });
    }
    await setMode(part, file, target);
    await Deno.rename(part, target.path);
    return result;
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw error;
  } finally {
    file.close();
  }
}

/** Opens a file that from its first byte on no more people may read than the target. */
function openLike({ mode }: Target, part: string): Deno.FsFile {
  const file = Deno.openSync(part, {
    write: true,
    createNew: true,
    ...(mode !== null && { mode: mode & MODE }),
  });
  lock(file);
  return file;
}

/** Gives the file what the process's mask took away when it was opened. */
async function setMode(part: string, file: Deno.FsFile, { mode }: Target): Promise<void> {
  if (mode === null || (await file.stat()).mode === mode) return;
  await Deno.chmod(part, mode & MODE);
}

/** Tells others, as long as this process lives, that the file is no leftover: at once after opening, so that none sees it unlocked. */
function lock(file: Deno.FsFile): void {
  try {
    file.lockSync(true);
  } catch {
    // A file system without locks: then no other can lock the file either, which is what it takes to remove it.
  }
}

async function syncFolder(folder: string): Promise<void> {
  using opened = await Deno.open(folder);
  await opened.sync();
}

async function removeLeftovers(folder: string, name: string): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    const rest = entry.name.slice(name.length);
    if (!entry.isFile || !entry.name.startsWith(name) || !PART.test(rest)) continue;
    await removeUnlocked(join(folder, entry.name));
  }
}

async function removeUnlocked(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  if (await file.tryLock(true)) await Deno.remove(path);
}
