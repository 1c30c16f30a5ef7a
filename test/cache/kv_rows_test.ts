import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { type Backend, type KvDType, PAGE_TOKENS } from "../../ffi/backend.ts";
import { kvRowBytes, KvRowWriter, readKvRows } from "../../lib/cache/kv_rows.ts";
import { type CacheShape, PagedCache } from "../../lib/cache/paged_cache.ts";
import { openOr } from "../engine/tiny_model.ts";
import { Random } from "../random.ts";

const DTYPES: readonly KvDType[] = ["f32", "bf16", "int8"];
/** Bits of numbers that rounding or flushing would change: subnormals, signed zero, infinity, NaN. */
const ODD_BITS = [0x1, 0x80000001, 0x7fff0000, 0x80000000, 0x7f800000, 0x7fc10000, 0x00010000];

async function filled(
  backend: Backend,
  shape: CacheShape,
  tokens: number,
  seed: number,
): Promise<PagedCache> {
  const random = new Random(seed);
  const { layers, kvHeads, dim } = shape;
  const cache = new PagedCache(backend, shape);
  const odd = new Float32Array(Uint32Array.from(ODD_BITS).buffer)
    .filter((x) => shape.dtype !== "int8" || Number.isFinite(x));
  const tensor = () => {
    const data = random.normals(tokens * kvHeads * dim);
    data.set(odd.subarray(0, data.length));
    return backend.tensor([tokens, kvHeads, dim], "f32", data);
  };
  cache.reserve(tokens);
  for (let layer = 0; layer < layers; layer++) {
    const [k, v] = [tensor(), tensor()];
    await cache.append(layer, k, v, random.normals(tokens));
    k.close();
    v.close();
  }
  cache.commit(tokens);
  return cache;
}

/** All that a cache holds, digested by head, read through the backend. */
function digestsOf(backend: Backend, cache: PagedCache): string[] {
  const { layers, kvHeads } = cache.shape;
  const digests: string[] = [];
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < kvHeads; head++) {
      const { k, v, positions } = backend.readKv(cache.view(layer).table, head, 0, cache.length);
      for (const values of [k, v, positions]) {
        digests.push(
          createHash("sha256").update(new Uint8Array(values.slice().buffer)).digest("hex"),
        );
      }
    }
  }
  return digests;
}

async function copied(backend: Backend, cache: PagedCache, rows: number): Promise<PagedCache> {
  const copy = new PagedCache(backend, cache.shape);
  const writer = new KvRowWriter(backend, copy, rows);
  for (let start = 0; start < cache.length; start += rows) {
    const count = Math.min(rows, cache.length - start);
    copy.reserve(count);
    for (let layer = 0; layer < cache.shape.layers; layer++) {
      await writer.append(layer, readKvRows(backend, cache, layer, start, count));
    }
    copy.commit(count);
  }
  writer.close();
  return copy;
}

interface Case extends Omit<CacheShape, "layers"> {
  readonly tokens: number;
  /** Tokens copied at once. */
  readonly rows: number;
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  dtype: fc.constantFrom(...DTYPES),
  kvHeads: fc.integer({ min: 1, max: 3 }),
  dim: fc.constantFrom(2, 6, 16),
  tokens: fc.integer({ min: 1, max: 2 * PAGE_TOKENS + 5 }),
  rows: fc.integer({ min: 1, max: 300 }),
  seed: fc.nat(),
});

for (const name of ["reference", "cpu"] as const) {
  Deno.test(`KvRowWriter.append() gives back each bit that readKvRows() took (${name})`, async () => {
    const backend = await openOr(name);
    if (!backend) return console.log(`skipped: no ${name} backend here`);
    const before = backend.allocatedBytes();
    const check = async ({ tokens, rows, seed, ...shape }: Case) => {
      const cache = await filled(backend, { layers: 2, ...shape }, tokens, seed);
      const copy = await copied(backend, cache, rows);
      assertEquals(digestsOf(backend, copy), digestsOf(backend, cache));
      cache.close();
      copy.close();
    };
    await fc.assert(fc.asyncProperty(cases, check), { numRuns: 25, seed: 1 });
    assertEquals(backend.allocatedBytes(), before);
  });
}

Deno.test("readKvRows() puts keys before values, head after head, little-endian", async () => {
  const backend = (await openOr("reference"))!;
  for (const dtype of DTYPES) {
    const cache = new PagedCache(backend, { layers: 1, kvHeads: 2, dim: 2, dtype });
    cache.reserve(2);
    const k = backend.tensor([2, 2, 2], "f32", Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const v = backend.tensor([2, 2, 2], "f32", Float32Array.of(-1, -2, -3, -4, -5, -6, -7, -8));
    await cache.append(0, k, v, Float32Array.of(0, 1.5));
    cache.commit(2);
    const { kv, positions } = readKvRows(backend, cache, 0, 0, 2);
    const values = [1, 2, 3, 4, -1, -2, -3, -4, 5, 6, 7, 8, -5, -6, -7, -8];
    const view = new DataView(kv.buffer);
    const word = (x: number) =>
      dtype === "f32" ? view.getUint32(4 * x, true) : view.getUint16(2 * x, true) << 16 >>> 0;
    const wanted = new Uint32Array(Float32Array.from(values).buffer);
    assertEquals(values.map((_, x) => word(x)), [...wanted]);
    assertEquals(kv.length, 2 * kvRowBytes(cache.shape));
    assertEquals(positions, Float32Array.of(0, 1.5));
  }
});
