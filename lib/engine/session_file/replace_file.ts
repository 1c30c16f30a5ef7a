import { basename, dirname, join, resolve } from "node:path";
import { granted } from "../../../ffi/permissions.ts";
import { throwIfAborted } from "../run.ts";

const PART = /^\.[0-9a-f-]{36}\.tmp$/;

/**
 * Puts what `write` writes in the place of the file at `path`. Whoever is killed when, there is the old file or the
 * new one, whole. What killed writers left beside it is removed. An abort counts until the new file takes its place.
 */
export async function replaceFile<T>(
  path: string,
  signal: AbortSignal,
  write: (file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const target = await resolveTarget(path);
  const part = `${target}.${crypto.randomUUID()}.tmp`;
  const result = await writePart(part, target, signal, write);
  const folder = dirname(target);
  // The file is in its place: what follows may fail, and must not ask for permissions.
  if (granted({ name: "read", path: folder })) {
    await syncFolder(folder).catch(() => {});
    await removeLeftovers(folder, basename(target)).catch(() => {});
  }
  return result;
}

/** A link stays, and what it points to is replaced; what is no file is not. */
async function resolveTarget(path: string): Promise<string> {
  let target: string;
  try {
    target = await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return resolve(path);
    throw error;
  }
  if ((await Deno.stat(target)).isFile) return target;
  throw new TypeError("there is something that is no file");
}

async function writePart<T>(
  part: string,
  target: string,
  signal: AbortSignal,
  write: (file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const file = Deno.openSync(part, { write: true, createNew: true });
  try {
    lock(file);
    const result = await write(file);
    await file.sync();
    throwIfAborted(signal);
    await Deno.rename(part, target);
    return result;
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw error;
  } finally {
    file.close();
  }
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
