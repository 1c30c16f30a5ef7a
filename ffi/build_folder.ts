/** Files that are built into folders which several processes may use. */

/** Builds in a folder that wait for each other. */
export interface Workplace {
  /** Name of their lock. */
  readonly lock: string;
  /** First letters of folders to work in. What builds with this lock left behind is removed. */
  readonly workPrefix: string;
}

/** What to build. */
export interface Artefact extends Workplace {
  /** Name of the file. */
  readonly name: string;
}

/**
 * Path of the artefact in `folder`; where it is not there, `make` makes it in a folder to work in and returns its path
 * there. Of processes that build the same, the second finds what the first has built.
 */
export async function buildOnce(
  folder: string,
  { name, ...place }: Artefact,
  make: (work: string) => Promise<string>,
): Promise<string> {
  const path = `${folder}/${name}`;
  if (await isFile(path)) return path;
  await inWorkFolder(folder, place, async (work) => {
    if (!await isFile(path)) await Deno.rename(await make(work), path);
  });
  return path;
}

/** Calls `build` with an empty folder below `folder` that is removed afterwards, while no other build works there. */
export async function inWorkFolder<T>(
  folder: string,
  { lock: lockName, workPrefix }: Workplace,
  build: (work: string) => Promise<T>,
): Promise<T> {
  await Deno.mkdir(folder, { recursive: true });
  using lock = await Deno.open(`${folder}/${lockName}`, { create: true, write: true });
  await lock.lock(true); // the system gives it back when this process ends, however it ends
  await removeFiles(folder, (entry) => entry.startsWith(workPrefix)); // of builds that were killed
  const work = await Deno.makeTempDir({ dir: folder, prefix: workPrefix });
  try {
    return await build(work);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Whether there is a file at `path`. */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes the entries of `folder` whose names are chosen. */
export async function removeFiles(
  folder: string,
  chosen: (name: string) => boolean,
): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (chosen(name)) await removeIfThere(`${folder}/${name}`);
  }
}

/** Another process may clean the same folder. */
async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Writes texts to files in `folder` by their paths there. */
export async function writeTexts(
  folder: string,
  texts: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, text] of Object.entries(texts)) {
    const file = `${folder}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, text);
  }
}

/** A short hash of what `inputs` holds, as JSON. */
export async function hashOf(inputs: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(inputs));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex().slice(0, 16);
}

/** Works on all items, `limit` at a time. The first failure stops the others and is thrown. */
export async function eachAtOnce<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const queue = items.values(); // shared, so that every worker takes the next item
  const abort = new AbortController();
  const worker = async () => {
    for (const item of queue) {
      if (abort.signal.aborted) return;
      await work(item, abort.signal);
    }
  };
  const workers = Array.from({ length: limit }, worker);
  try {
    await Promise.all(workers);
  } catch (error) {
    abort.abort();
    await Promise.allSettled(workers);
    throw error;
  }
}
