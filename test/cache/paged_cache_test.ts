import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Backend, PageFile } from "../../ffi/backend.ts";
import { BackendError, BudgetError } from "../../ffi/errors.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { type CacheShape, PagedCache } from "../../lib/cache/paged_cache.ts";
import { openOr } from "../engine/tiny_model.ts";
import { inFolder } from "../in_folder.ts";

const SHAPE: CacheShape = { layers: 2, kvHeads: 2, dim: 4, dtype: "f32" };

async function append(
  cache: PagedCache,
  values: readonly number[],
  backend: Backend = openReferenceBackend(),
): Promise<void> {
  if (values.length === 0) return;
  const { layers, kvHeads, dim } = cache.shape;
  cache.reserve(values.length);
  const data = Float32Array.from(
    { length: values.length * kvHeads * dim },
    (_, x) => values[Math.floor(x / (kvHeads * dim))]!,
  );
  const k = backend.tensor([values.length, kvHeads, dim], "f32", data);
  const positions = Float32Array.from(values, (_, x) => cache.length + x);
  for (let layer = 0; layer < layers; layer++) await cache.append(layer, k, k, positions);
  k.close();
  cache.commit(values.length);
}

function contents(
  cache: PagedCache,
  layer: number,
  backend: Backend = openReferenceBackend(),
): number[] {
  if (cache.length === 0) return [];
  const { table, length } = cache.view(layer);
  const { k } = backend.readKv(table, 1, 0, length);
  return Array.from({ length }, (_, token) => k[token * cache.shape.dim]!);
}

/** One thing done to one of several caches. */
type Action =
  | { readonly kind: "append"; readonly cache: number; readonly count: number }
  | { readonly kind: "fork"; readonly cache: number }
  | { readonly kind: "truncate"; readonly cache: number; readonly share: number };

const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("append" as const), cache: fc.nat(9), count: fc.nat(300) }),
    fc.record({ kind: fc.constant("fork" as const), cache: fc.nat(9) }),
    fc.record({
      kind: fc.constant("truncate" as const),
      cache: fc.nat(9),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  ),
  { maxLength: 14 },
);

/** Asserts that caches hold what was appended through any forks and truncations, and in the end leave nothing. */
async function holdsWhatWasAppended(
  backend: Backend,
  open: () => PagedCache,
): Promise<void> {
  const before = backend.allocatedBytes();
  await fc.assert(
    fc.asyncProperty(actions, async (list) => {
      const caches = [{ cache: open(), values: [] as number[] }];
      let next = 1;
      for (const action of list) {
        const entry = caches[action.cache % caches.length]!;
        if (action.kind === "append") {
          const values = Array.from({ length: action.count }, () => next++);
          await append(entry.cache, values, backend);
          entry.values.push(...values);
        } else if (action.kind === "fork") {
          caches.push({ cache: entry.cache.fork(), values: [...entry.values] });
        } else {
          entry.values.length = Math.floor(entry.values.length * action.share);
          entry.cache.truncate(entry.values.length);
        }
      }
      for (const { cache, values } of caches) assertEquals(contents(cache, 1, backend), values);
      for (const { cache } of caches) cache.close();
      assertEquals(backend.allocatedBytes(), before);
    }),
    { numRuns: 30, seed: 21 },
  );
}

Deno.test("PagedCache holds what was appended through any forks and truncations", async () => {
  const backend = openReferenceBackend();
  await holdsWhatWasAppended(backend, () => new PagedCache(backend, SHAPE));
});

Deno.test("PagedCache in a file holds what was appended, and closes it with the last fork", async () => {
  const backend = await openOr("cpu");
  if (!backend) return console.log("skipped: no cpu backend here");
  await inFolder(async (folder) => {
    const files: PageFile[] = [];
    await holdsWhatWasAppended(backend, () => {
      files.push(backend.pageFile(SHAPE, { path: `${folder}/pages` }));
      return new PagedCache(backend, SHAPE, files.at(-1)!);
    });
    for (const file of files) assertThrows(() => file.page(), BackendError, "its file is closed");
  });
});

Deno.test("what is appended without commit() is no part of the cache or of its forks", async () => {
  const backend = openReferenceBackend();
  const cache = new PagedCache(backend, SHAPE);
  await append(cache, [1, 2, 3]);
  cache.reserve(400);
  const k = backend.tensor([400, 2, 4], "f32", new Float32Array(3200).fill(9));
  await cache.append(0, k, k, new Float32Array(400));
  assertEquals(contents(cache, 0), [1, 2, 3]);
  const fork = cache.fork();
  await append(cache, Array.from({ length: 300 }, () => 5));
  await append(fork, Array.from({ length: 300 }, () => 7));
  assertEquals(contents(cache, 0).slice(-2), [5, 5]);
  assertEquals(contents(fork, 0).slice(-2), [7, 7]);
});

Deno.test("fork() shares pages until one of the two writes", async () => {
  const backend = openReferenceBackend();
  const parent = new PagedCache(backend, SHAPE);
  const values = Array.from({ length: 300 }, (_, x) => x);
  const k = backend.tensor([300, 2, 4]);
  parent.reserve(300);
  for (let layer = 0; layer < 2; layer++) {
    await parent.append(layer, k, k, Float32Array.from(values));
  }
  parent.commit(300);
  k.close();
  const before = backend.allocatedBytes();
  const fork = parent.fork();
  assertEquals(backend.allocatedBytes(), before);
  fork.reserve(1);
  assertEquals(backend.allocatedBytes(), before + before / 2);
});

Deno.test("checkFits() names the bytes, truncate() the length", () => {
  const cache = new PagedCache(openReferenceBackend(), SHAPE);
  cache.checkFits(256, 256 * 2 * 2 * 4 * 2 * 4);
  assertThrows(() => cache.checkFits(257, 256 * 2 * 2 * 4 * 2 * 4), BudgetError, "65536 bytes");
  assertThrows(() => cache.truncate(1), RangeError, "length must be <= 0");
});
