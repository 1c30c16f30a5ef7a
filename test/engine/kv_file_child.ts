/** A session whose keys and values lie in a file, in a process of its own, which a test kills or limits. */
import type { Backend } from "../../ffi/backend.ts";
import { openBackend } from "../../ffi/open.ts";
import { PagedCache } from "../../lib/cache/paged_cache.ts";
import { someIds, tiny } from "./tiny_model.ts";

const MEGABYTE = 2 ** 20;
/** Size of files. */
const RLIMIT_FSIZE = 1;
/** Memory that is the process's own: files that it maps are not counted. */
const RLIMIT_DATA = 2;
const SIGXFSZ = 25;
const IGNORED = 1n;
const MS_SYNC = 4;
const MADV_PAGEOUT = 21;

/** Shows the names of the folder while it holds tokens, and then waits to be killed. */
async function hold(backend: Backend, folder: string): Promise<void> {
  const model = await tiny("llama", backend);
  const session = model.session({ kvTier: "file", kvFile: `${folder}/kv` });
  await session.prefill(someIds(600));
  await session.step();
  const target = openFiles().find((path) => path.startsWith(`${folder}/kv`));
  console.log(JSON.stringify({ target, names: [...Deno.readDirSync(folder)].length }));
  await new Promise((end) => setTimeout(end, 60_000));
}

/** Reads texts under a limit on the size of files, and goes on after the one that does not fit. */
async function limited(backend: Backend, folder: string): Promise<void> {
  const model = await tiny("llama", backend);
  const options = { kvTier: "file", kvFile: `${folder}/kv`, chunkTokens: 5000 } as const;
  const session = model.session(options);
  await session.prefill(someIds(300));
  limit(RLIMIT_FSIZE, 2e6);
  const before = JSON.stringify(session.memory());
  const error = await session.prefill(someIds(4000)).then(
    () => null,
    (reason: unknown) => reason as Error,
  );
  const same = before === JSON.stringify(session.memory());
  const { index } = await session.step();
  console.log(JSON.stringify({ name: error?.name, message: error?.message, same, index }));
}

/**
 * Fills a cache in a file, and one in memory, with half of what they want of memory allowed beyond what there is now; then
 * writes the file out and drops it.
 */
async function fill(backend: Backend, folder: string): Promise<void> {
  const shape = { layers: 4, kvHeads: 4, dim: 128, dtype: "f32" } as const;
  const cache = new PagedCache(backend, shape, backend.pageFile(shape, { path: `${folder}/kv` }));
  limit(RLIMIT_DATA, status("VmData") + 128 * MEGABYTE);
  const empty = resident();
  const inFile = await grow(backend, cache, 256);
  const filled = resident();
  const other = new PagedCache(backend, shape);
  const inMemory = await grow(backend, other, 256);
  other.close();
  const before = resident();
  dropMappings(`${folder}/kv`);
  const dropped = before.file - resident().file;
  const isSame = holdsOnes(backend, cache);
  const grown = { file: filled.file - empty.file, anonymous: filled.anonymous - empty.anonymous };
  const isMemory = empty.shared + 100 < filled.shared;
  console.log(JSON.stringify({ inFile, inMemory, grown, dropped, isMemory, isSame }));
}

/** Megabytes that a cache takes before memory runs out, up to `megabytes`, and what then happened. */
async function grow(backend: Backend, cache: PagedCache, megabytes: number) {
  const [rows, { layers, kvHeads, dim }] = [512, cache.shape];
  const k = backend.tensor(
    [rows, kvHeads, dim],
    "f32",
    new Float32Array(rows * kvHeads * dim).fill(1),
  );
  try {
    while (cache.sizeBytes < megabytes * MEGABYTE) {
      cache.reserve(rows);
      for (let layer = 0; layer < layers; layer++) {
        await cache.append(layer, k, k, new Float32Array(rows));
      }
      cache.commit(rows);
    }
    return { megabytes: cache.sizeBytes / MEGABYTE, error: null };
  } catch (error) {
    return { megabytes: cache.sizeBytes / MEGABYTE, error: (error as Error).name };
  }
}

function openFiles(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ""; // the one of this listing
    }
  });
}

function status(field: string): number {
  const text = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(text.match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"))![1]);
}

/** Megabytes of memory in use. */
function resident(): { file: number; shared: number; anonymous: number } {
  const [file, shared, anonymous] = ["RssFile", "RssShmem", "RssAnon"].map((field) =>
    status(field) / MEGABYTE
  );
  return { file: file! + shared!, shared: shared!, anonymous: anonymous! };
}

/** Writes out what is mapped of a file, and takes it out of memory. */
function dropMappings(path: string): void {
  const libc = Deno.dlopen("libc.so.6", {
    msync: { parameters: ["usize", "usize", "i32"], result: "i32" },
    madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
  });
  const lines = Deno.readTextFileSync("/proc/self/maps").split("\n");
  for (const line of lines.filter((line) => line.includes(path))) {
    const [start, end] = line.split(" ")[0]!.split("-").map((text) => BigInt(`0x${text}`));
    libc.symbols.msync(start!, end! - start!, MS_SYNC);
    libc.symbols.madvise(start!, end! - start!, MADV_PAGEOUT);
  }
  libc.close();
}

function holdsOnes(backend: Backend, cache: PagedCache): boolean {
  const { layers, kvHeads } = cache.shape;
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < kvHeads; head++) {
      const { k, v } = backend.readKv(cache.view(layer).table, head, 0, cache.length);
      if (![k, v].every((rows) => rows.every((x) => x === 1))) return false;
    }
  }
  return true;
}

/** Limits what the system gives this process; a file that grows beyond its limit is then an error and no signal. */
function limit(resource: number, bytes: number): void {
  const libc = Deno.dlopen("libc.so.6", {
    setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
    signal: { parameters: ["i32", "usize"], result: "usize" },
  });
  libc.symbols.signal(SIGXFSZ, IGNORED);
  const failed = libc.symbols.setrlimit(resource, BigUint64Array.of(BigInt(bytes), BigInt(bytes)));
  libc.close();
  if (failed) throw new Error("Cannot limit this process");
}

if (import.meta.main) {
  const [how, folder] = Deno.args as ["hold" | "limited" | "fill", string];
  const backend = await openBackend({ backend: "cpu", compute: "f32" });
  await { hold, limited, fill }[how](backend, folder);
}
