import { inFolder } from "../in_folder.ts";
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ModelFormatError } from "../../ffi/errors.ts";
import {
  headerLength,
  parseSafetensorsHeader,
  readCheckpoint,
  readSafetensorsHeader,
  type SafetensorsHeader,
} from "../../lib/model/safetensors.ts";
import { fixture, sharedData } from "./fixtures.ts";

const VALID = {
  __metadata__: { format: "pt" },
  a: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
  b: { dtype: "BF16", shape: [4], data_offsets: [24, 32] },
  scalar: { dtype: "I64", shape: [], data_offsets: [32, 40] },
  empty: { dtype: "F16", shape: [0, 7], data_offsets: [40, 40] },
};
const DATA_BYTES = 40;

function encode(header: unknown, dataBytes: number = DATA_BYTES): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(
    typeof header === "string" ? header : JSON.stringify(header),
  );
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

/** What `readSafetensorsHeader` does with a file, without the file. */
function parse(file: Uint8Array): SafetensorsHeader {
  const length = headerLength(file.subarray(0, 8), file.length, "x.safetensors");
  return parseSafetensorsHeader(file.subarray(8, 8 + length), file.length, "x.safetensors");
}

Deno.test("parseSafetensorsHeader() gives offsets in the file", () => {
  const file = encode(VALID);
  const { tensors, metadata } = parse(file);
  const start = file.length - DATA_BYTES;
  assertEquals([...tensors.keys()], ["a", "b", "scalar", "empty"]);
  assertEquals(tensors.get("b"), {
    dtype: "BF16",
    shape: [4],
    begin: start + 24,
    end: start + 32,
  });
  assertEquals(metadata.get("format"), "pt");
});

Deno.test("parseSafetensorsHeader() takes names that objects have", () => {
  const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
  const { tensors } = parse(encode(`{"__proto__":${entry}}`, 1));
  assertEquals([...tensors.keys()], ["__proto__"]);
});

Deno.test("parseSafetensorsHeader() takes padding after the header", () => {
  assertEquals(parse(encode(JSON.stringify(VALID) + "    ")).tensors.size, 4);
});

const one = (entry: unknown) => encode({ a: entry }, 24);
const entry = { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] };
const repeated = JSON.stringify({ a: entry }).replace(/}$/, `,"\\u0061":${JSON.stringify(entry)}}`);

function withLength(length: bigint): Uint8Array {
  const file = encode(VALID);
  new DataView(file.buffer).setBigUint64(0, length, true);
  return file;
}

const bad: [name: string, file: Uint8Array, message: string][] = [
  ["an empty file", new Uint8Array(), "must have 8 bytes"],
  ["a file of 7 bytes", new Uint8Array(7), "current value is 7"],
  ["a header of no bytes", withLength(0n), "the header length must be"],
  ["a header longer than the file", withLength(1000n), "current value is 1000"],
  ["the largest length", withLength(2n ** 64n - 1n), "current value is 18446744073709551615"],
  ["a header that is no object", encode("[]"), "must start with {"],
  ["a header that starts with a space", encode(" " + JSON.stringify(VALID)), "must start with {"],
  ["half a header", encode(`{"a"`), "not valid JSON"],
  ["text that is not UTF-8", encode(VALID).map((byte, i) => i === 10 ? 0xff : byte), "not valid"],
  ["nesting", encode(`{"a":${"[".repeat(1000)}`), "deeper than 3"],
  ["a repeated name", encode(repeated, 24), "is repeated"],
  ["a repeated field", encode('{"a":{"dtype":"F32","dtype":"F16"}}'), "is repeated"],
  ["metadata of numbers", encode({ __metadata__: { a: 1 } }, 0), "__metadata__ must hold strings"],
  ["metadata that is text", encode({ __metadata__: "x" }, 0), "__metadata__ must be an object"],
  ["an entry that is null", one(null), 'tensor "a" as an entry must be an object'],
  ["an entry that is empty", one({}), "the dtype must be a known one: current value is missing"],
  ["an unknown dtype", one({ ...entry, dtype: "F31" }), 'current value is "F31"'],
  ["a dtype that is a list", one({ ...entry, dtype: [] }), "the dtype must be"],
  ["a negative size", one({ ...entry, shape: [-2, -3] }), "current value is [-2, -3]"],
  ["a size that is a fraction", one({ ...entry, shape: [2.5] }), "current value is [2.5]"],
  ["an unsafe size", one({ ...entry, shape: [2 ** 53] }), "the shape must be"],
  ["17 dimensions", one({ ...entry, shape: Array(17).fill(1) }), "up to 16"],
  ["a shape that is larger", one({ ...entry, shape: [2, 4] }), "must have 32 bytes"],
  ["a shape that overflows", one({ ...entry, shape: [2 ** 52, 2 ** 52] }), "must have"],
  ["falling offsets", one({ ...entry, data_offsets: [24, 0] }), "two rising counts"],
  ["three offsets", one({ ...entry, data_offsets: [0, 24, 24] }), "two rising counts"],
  ["offsets beyond the file", one({ ...entry, data_offsets: [24, 48] }), "must start at byte"],
  ["a tensor beyond the file", encode({ a: entry }, 23), "must end by byte"],
  ["bytes after the last tensor", encode({ a: entry }, 25), "must end at byte"],
  [
    "a hole",
    encode({ ...VALID, b: { dtype: "U8", shape: [7], data_offsets: [25, 32] } }),
    'tensor "b" as the data must start at byte',
  ],
  [
    "an overlap",
    encode({ ...VALID, b: { dtype: "U8", shape: [9], data_offsets: [23, 32] } }),
    'tensor "b" as the data must start at byte',
  ],
];

for (const [name, file, message] of bad) {
  Deno.test(`parseSafetensorsHeader() refuses ${name}`, () => {
    assertThrows(() => parse(file), ModelFormatError, message);
  });
}

/** Numbers that break naive arithmetic, and some that do not. */
const number = fc.oneof(
  fc.integer({ min: -2, max: 50 }),
  fc.constantFrom(1e308, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 - 1, 2 ** 63, 0.5, -0, 1e-320),
);
const value = fc.oneof(number, fc.constantFrom("", "F32", "pt", null, true), fc.jsonValue());
const anyEntry = fc.record({
  dtype: fc.oneof(fc.constantFrom("F32", "BF16", "U8", "F4", "I64"), value),
  shape: fc.oneof(fc.array(number, { maxLength: 4 }), value),
  data_offsets: fc.oneof(fc.tuple(number, number), value),
}, { requiredKeys: [] });

/** Whole headers of any entries. */
const anyHeader = fc.dictionary(
  fc.constantFrom("a", "b", "__metadata__", "__proto__"),
  fc.oneof(anyEntry, value),
)
  .map((header) => encode(header));

/** A valid file with some bytes changed, cut off or doubled, or another length in front. */
const mutated = fc.tuple(
  fc.array(fc.tuple(fc.nat(400), fc.constantFrom(...'{}[],:"\\0123456789-.eE \u0000\u00ff')), {
    maxLength: 4,
  }),
  fc.nat(500),
  fc.option(
    fc.oneof(fc.bigInt({ min: 0n, max: 600n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  ),
  fc.boolean(),
).map(([edits, cut, length, truncate]) => {
  const file = encode(VALID);
  if (length !== null) new DataView(file.buffer).setBigUint64(0, length, true);
  for (const [at, character] of edits) file[8 + at % (file.length - 8)] = character.charCodeAt(0);
  return truncate ? file.slice(0, cut) : file;
});

/** Very long or very deep headers. */
const bomb = fc.tuple(fc.constantFrom("[", "{", '{"a":', '"', "1", " ", "\\"), fc.nat(20_000))
  .map(([part, count]) => encode("{" + part.repeat(count)));

/** A valid result, or the one error that is allowed. */
function survives(file: Uint8Array): boolean {
  try {
    for (const { shape, begin, end } of parse(file).tensors.values()) {
      assert(Array.isArray(shape) && begin <= end && end <= file.length);
    }
    return true;
  } catch (error) {
    assert(error instanceof ModelFormatError, `${error}`);
    return false;
  }
}

Deno.test("parseSafetensorsHeader() takes 10,000 damaged headers with an error or a valid result", () => {
  const before = Deno.memoryUsage().rss;
  let valid = 0;
  const any = fc.oneof(
    { weight: 60, arbitrary: mutated },
    { weight: 39, arbitrary: anyHeader },
    { weight: 1, arbitrary: bomb },
  );
  fc.assert(
    fc.property(any, (file) => {
      if (survives(file)) valid++;
    }),
    { numRuns: 10_000, seed: 1 },
  );
  assert(valid > 0, "some mutations must leave the header valid");
  assertLess(Deno.memoryUsage().rss - before, 200 * 2 ** 20);
});

Deno.test("readSafetensorsHeader() takes damaged files with an error or a valid result", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/x.safetensors`;
    for (const file of fc.sample(mutated, { numRuns: 200, seed: 2 })) {
      await Deno.writeFile(path, file);
      const read = await readSafetensorsHeader(path).catch((error) => error);
      if (read instanceof Error) assert(read instanceof ModelFormatError, `${read}`);
      assertEquals(read instanceof Error, !survives(file));
    }
  });
});

Deno.test("readSafetensorsHeader() does not allocate what a file only claims", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/x.safetensors`;
    const start = new Uint8Array(8);
    new DataView(start.buffer).setBigUint64(0, 2n ** 35n, true);
    await Deno.writeFile(path, start);
    await Deno.truncate(path, 2 ** 36);
    const before = Deno.memoryUsage().rss;
    await assertRejects(() => readSafetensorsHeader(path), ModelFormatError, "100000000");
    assertLess(Deno.memoryUsage().rss - before, 50 * 2 ** 20);
  });
});

Deno.test("readCheckpoint() reads a lone file and an index", async () => {
  assertEquals((await readCheckpoint(fixture("llama"))).size, 21);
  const sharded = await readCheckpoint(fixture("qwen2"));
  assertEquals(new Set([...sharded.values()].map(({ path }) => path)).size, 2);
});

Deno.test("readCheckpoint() refuses a folder without weights", async () => {
  await inFolder(async (folder) => {
    await assertRejects(() => readCheckpoint(folder), ModelFormatError, "must hold");
  });
});

const outside = [
  "../x.safetensors",
  "/x.safetensors",
  "a/b.safetensors",
  "a\\b.safetensors",
  "..",
  "",
  1,
];
for (const file of outside) {
  Deno.test(`readCheckpoint() refuses an index that names ${file || "nothing"}`, async () => {
    await inFolder(async (folder) => {
      const index = { weight_map: { a: file } };
      await Deno.writeTextFile(`${folder}/model.safetensors.index.json`, JSON.stringify(index));
      await assertRejects(() => readCheckpoint(folder), ModelFormatError, "plain .safetensors");
    });
  });
}

Deno.test("readCheckpoint() refuses an index whose files are absent or lack a tensor", async () => {
  await inFolder(async (folder) => {
    const index = { weight_map: { z: "x.safetensors" } };
    await Deno.writeTextFile(`${folder}/model.safetensors.index.json`, JSON.stringify(index));
    await assertRejects(() => readCheckpoint(folder), ModelFormatError, "x.safetensors as it does");
    await Deno.writeFile(`${folder}/x.safetensors`, encode(VALID));
    await assertRejects(() => readCheckpoint(folder), ModelFormatError, 'must hold tensor "z"');
  });
});

Deno.test("readCheckpoint() refuses an index without a map", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/model.safetensors.index.json`, '{"weight_map": []}');
    await assertRejects(() => readCheckpoint(folder), ModelFormatError, "weight_map must be");
  });
});

const tinystories = sharedData("models/tinystories-656k");
Deno.test({ name: "readCheckpoint() reads tinystories-656k", ignore: !tinystories }, async () => {
  const tensors = await readCheckpoint(tinystories!);
  assertEquals(tensors.get("lm_head.weight")?.shape, [2048, 128]);
  assert(!tensors.has("model.embed_tokens.weight"));
});
