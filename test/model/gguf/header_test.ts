import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { ModelFormatError } from "../../../ffi/errors.ts";
import { GgufCursor } from "../../../lib/model/gguf/cursor.ts";
import { type GgufHeader, parseGgufHeader } from "../../../lib/model/gguf/header.ts";
import { readGgufModel } from "../../../lib/model/gguf/model_file.ts";
import { fixture } from "../fixtures.ts";
import { testModel } from "./test_models.ts";
import { type GgufContent, type Pair, ValueType, writeGguf } from "./writer.ts";

const F32 = 0;
const Q8_0 = 8;

type Row = [name: string, shape: number[], type: string, begin: number, bytes: number];

interface Described {
  readonly files: Record<string, { pairs: Record<string, unknown>; tensors: Row[] }>;
  readonly models: Record<string, { count: number; tensors: string; vocabulary: string }>;
}

const described: Described = JSON.parse(await Deno.readTextFile(fixture("gguf/headers.json")));

/** A source of bytes that counts what is asked of it. */
class MemoryFile {
  #at = 0;
  asked = 0;

  constructor(readonly bytes: Uint8Array) {}

  seek(offset: number | bigint): Promise<number> {
    this.#at = Number(offset);
    return Promise.resolve(this.#at);
  }

  read(into: Uint8Array): Promise<number | null> {
    this.asked += into.length;
    const part = this.bytes.subarray(this.#at, this.#at + into.length);
    into.set(part);
    this.#at += part.length;
    return Promise.resolve(part.length || null);
  }
}

function parse(
  bytes: Uint8Array,
  sizeBytes = bytes.length,
  file = new MemoryFile(bytes),
): Promise<GgufHeader> {
  return parseGgufHeader(new GgufCursor(file, bytes.length, "x.gguf"), {
    name: "x.gguf",
    sizeBytes,
  });
}

function rows(header: Pick<GgufHeader, "tensors">): Row[] {
  return [...header.tensors.values()].map(({ name, shape, type, begin, end }) => [
    name,
    [...shape],
    type.name,
    begin,
    end - begin,
  ]);
}

async function digest(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** One pair of each type and two tensors. */
function content(): GgufContent & { pairs: Pair[] } {
  const pairs: Pair[] = [
    { key: "u8", type: "u8", value: 255 },
    { key: "i8", type: "i8", value: -1 },
    { key: "u16", type: "u16", value: 65535 },
    { key: "i16", type: "i16", value: -2 },
    { key: "u32", type: "u32", value: 2 ** 32 - 1 },
    { key: "i32", type: "i32", value: -3 },
    { key: "f32", type: "f32", value: 0.5 },
    { key: "bool", type: "bool", value: true },
    { key: "string", type: "string", value: "\ufeffnaïve 🙂" },
    { key: "u64", type: "u64", value: 2 ** 40 },
    { key: "i64", type: "i64", value: -4 },
    { key: "f64", type: "f64", value: 1e300 },
    { key: "list", type: "i32", value: [1, -2, 3] },
    { key: "texts", type: "string", value: ["", "\ufeffa", "a"] },
    { key: "empty", type: "f32", value: [] },
  ];
  const tensors = [
    { name: "a", shape: [3, 2], type: F32, data: new Uint8Array(24) },
    { name: "b", shape: [64], type: Q8_0, data: new Uint8Array(68) },
  ];
  return { pairs, tensors };
}

async function refuses(changed: GgufContent, message: string): Promise<void> {
  await assertRejects(() => parse(writeGguf(changed).bytes), ModelFormatError, message);
}

/** The bytes with a number of 32 or 64 bits put somewhere. */
function patched(bytes: Uint8Array, at: number, value: bigint, bits: 32 | 64): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (bits === 64) view.setBigUint64(at, value, true);
  else view.setUint32(at, Number(value), true);
  return copy;
}

for (const [name, { pairs, tensors }] of Object.entries(described.files)) {
  Deno.test(`readGgufHeader() reads ${name} as Python's reader does`, async () => {
    const bytes = await Deno.readFile(fixture(`gguf/${name}`));
    const header = await parse(bytes);
    assertEquals(rows(header), tensors);
    for (const [key, value] of Object.entries(pairs)) assertEquals(header.metadata.get(key), value);
  });
}

for (const name of ["smollm2", "gemma3"] as const) {
  const path = await testModel(name);
  Deno.test({
    name: `readGgufModel() reads ${name} as Python's reader does`,
    ignore: path === null,
    fn: async () => {
      const model = await readGgufModel(path!);
      const { count, tensors, vocabulary } = described.models[name]!;
      assertEquals(model.tensors.size, count);
      const lines = rows(model).map((row) => JSON.stringify(row)).join("\n");
      assertEquals(await digest(lines), tensors);
      const tokens = model.metadata.texts("tokenizer.ggml.tokens")!;
      assertEquals(await digest(tokens.join("\n")), vocabulary);
    },
  });
}

for (const version of [2, 3]) {
  Deno.test(`parseGgufHeader() reads every type of value in version ${version}`, async () => {
    const { metadata } = await parse(writeGguf({ ...content(), version }).bytes);
    assertEquals(metadata.get("u64"), 2n ** 40n);
    assertEquals(metadata.get("i64"), -4n);
    assertEquals(metadata.number("i64"), -4);
    assertEquals(metadata.get("list"), new Int32Array([1, -2, 3]));
    assertEquals(metadata.texts("texts"), ["", "\ufeffa", "a"]);
    assertEquals(metadata.get("empty"), new Float32Array());
    for (const { key, value } of content().pairs) {
      if (!Array.isArray(value) && !/64$/.test(key)) assertEquals(metadata.get(key), value);
    }
    assertEquals(metadata.get("f64"), 1e300);
  });
}

Deno.test("parseGgufHeader() places tensors at multiples of the alignment", async () => {
  const alignment: Pair = { key: "general.alignment", type: "u32", value: 64 };
  const { pairs, tensors } = content();
  const written = writeGguf({ pairs: [...pairs, alignment], tensors: tensors!, alignment: 64 });
  const start = Math.ceil(written.headerBytes / 64) * 64;
  assertEquals(rows(await parse(written.bytes)), [
    ["a", [2, 3], "F32", start, 24],
    ["b", [64], "Q8_0", start + 64, 68],
  ]);
});

Deno.test("parseGgufHeader() refuses other files, versions and byte orders", async () => {
  const { bytes } = writeGguf(content());
  await assertRejects(() => parse(new Uint8Array()), ModelFormatError, "needs 24 bytes more");
  const other = patched(bytes, 0, 0x04034b50n, 32);
  await assertRejects(() => parse(other), ModelFormatError, 'must begin with "GGUF"');
  for (const version of [0n, 1n, 4n, 0x03000000n]) {
    const wrong = patched(bytes, 4, version, 32);
    await assertRejects(() => parse(wrong), ModelFormatError, "must be 2 or 3");
  }
});

Deno.test("parseGgufHeader() refuses counts and lengths beyond the file at once", async () => {
  const { bytes } = writeGguf({ pairs: [{ key: "k", type: "u32", value: [1, 2] }] });
  const list = 24 + 9 + 4 + 4;
  const cases: [at: number, value: bigint, message: string][] = [
    [8, 2n ** 63n, "the number of tensors must be at most"],
    [16, 2n ** 40n, "the number of key-value pairs must be at most"],
    [24, 2n ** 50n, "the length of a key must be at most"],
    [list, 2n ** 22n, '"k" needs 16777216 bytes more'],
    [list, 2n ** 60n, 'the length of "k" must be at most'],
  ];
  for (const [at, value, message] of cases) {
    const file = new MemoryFile(patched(bytes, at, value, 64));
    await assertRejects(() => parse(file.bytes, undefined, file), ModelFormatError, message);
    assertLess(file.asked, 1000);
  }
});

Deno.test("parseGgufHeader() refuses lists of lists and unknown types", async () => {
  const { bytes } = writeGguf({ pairs: [{ key: "k", type: "u32", value: [1, 2] }] });
  const type = 24 + 9;
  for (const wrong of [BigInt(ValueType.array), 13n, 2n ** 31n]) {
    const changed = patched(bytes, type + 4, wrong, 32);
    await assertRejects(() => parse(changed), ModelFormatError, 'the type of "k" must be');
  }
  const scalar = patched(bytes, type, 99n, 32);
  await assertRejects(() => parse(scalar), ModelFormatError, 'the type of "k" must be');
});

Deno.test("parseGgufHeader() refuses tensors that cannot be", async () => {
  const tensor = { name: "t", shape: [32, 2], type: Q8_0, data: new Uint8Array(68) };
  const one = (change: object) => ({ pairs: [], tensors: [{ ...tensor, ...change }] });
  await refuses(one({ shape: [33, 2] }), 'rows of "t" must be blocks of 32');
  await refuses(one({ shape: [0, 2] }), 'tensor "t" must have elements');
  await refuses(one({ shape: [] }), 'the rank of tensor "t" must be from 1 to 4');
  await refuses(one({ shape: [32, 1, 1, 1, 1] }), 'the rank of tensor "t" must be from 1 to 4');
  await refuses(one({ type: 5 }), 'the type of tensor "t" must be known');
  await refuses(one({ shape: [2 ** 39, 2 ** 39, 2 ** 39] }), "must fit into");
  await refuses(one({ data: new Uint8Array(67) }), "must end by byte");
  await refuses({ pairs: [], tensors: [tensor, tensor] }, "names of tensors must be unique");
});

Deno.test("parseGgufHeader() refuses offsets that are not aligned or overlap", async () => {
  const data = new Uint8Array(256);
  const { bytes } = writeGguf({
    pairs: [],
    tensors: [{ name: "a", shape: [64], type: F32, data }, {
      name: "b",
      shape: [64],
      type: F32,
      data,
    }],
  });
  const offset = 24 + 2 * (9 + 4 + 8 + 4 + 8) - 8;
  for (
    const [value, message] of [[100n, "a multiple of 32"], [128n, "must start at byte"]] as const
  ) {
    const changed = patched(bytes, offset, value, 64);
    await assertRejects(() => parse(changed), ModelFormatError, message);
  }
});

Deno.test("parseGgufHeader() refuses repeated keys and odd alignments", async () => {
  const pair: Pair = { key: "general.alignment", type: "u32", value: 32 };
  await refuses({ pairs: [pair, pair] }, "keys must be unique");
  for (const value of [0, 1, 24, 2 ** 31]) {
    await refuses({ pairs: [{ ...pair, value }] }, "general.alignment must be a power of two");
  }
  await refuses({ pairs: [{ ...pair, type: "string", value: "32" }] }, "must be a finite number");
});

Deno.test("parseGgufHeader() shortens names in messages", async () => {
  const key = "\n".repeat(10_000);
  const error = await assertRejects(
    () => parse(writeGguf({ pairs: [{ key, type: "u32", value: [] }] }).bytes.slice(0, -1)),
    ModelFormatError,
  );
  assertLess(error.message.length, 3000);
  assert(!error.message.includes("\n"));
});

Deno.test("parseGgufHeader() refuses a header that ends anywhere before its end", async () => {
  const { bytes, headerBytes } = writeGguf(content());
  for (let length = 0; length < headerBytes; length++) {
    await assertRejects(() => parse(bytes.subarray(0, length), bytes.length), ModelFormatError);
  }
});

Deno.test("10,000 mutated headers are read or refused with a typed error, in bounded memory", async () => {
  const random = seeded(7);
  const { bytes, headerBytes } = writeGguf(content());
  let valid = 0;
  for (let run = 0; run < 10_000; run++) {
    const file = new MemoryFile(mutated(bytes, headerBytes, random));
    try {
      const header = await parse(file.bytes, undefined, file);
      assertWithin(header, file.bytes.length);
      valid++;
    } catch (error) {
      if (!(error instanceof ModelFormatError)) throw error;
      assertLess(error.message.length, 3000);
    }
    assertLess(file.asked, 4 * bytes.length);
  }
  assert(valid > 0 && valid < 10_000);
});

function assertWithin({ tensors }: GgufHeader, sizeBytes: number): void {
  for (const { begin, end, shape, type } of tensors.values()) {
    assert(begin >= 0 && begin < end && end <= sizeBytes);
    const elements = shape.reduce((product, size) => product * size, 1);
    assertEquals(end - begin, elements / type.blockElements * type.blockBytes);
  }
}

type Random = (below: number) => number;

/** Flipped bits, extreme numbers, parts left out, doubled or torn off. */
function mutated(bytes: Uint8Array, headerBytes: number, random: Random): Uint8Array {
  let copy: Uint8Array = bytes.slice();
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(Math.min(headerBytes, copy.length - 8));
    const kind = random(6);
    if (kind === 0) copy[at]! ^= 1 << random(8);
    if (kind === 1) copy[at] = random(256);
    if (kind === 2) copy = patched(copy, at, 2n ** BigInt(random(65)) - BigInt(random(2)), 64);
    if (kind === 3) copy = patched(copy, at, BigInt(random(2 ** 32)), 32);
    if (kind === 4) copy = spliced(copy, at, at + random(20));
    if (kind === 5) copy = spliced(copy, at + random(20), at);
    if (random(10) === 0) copy = copy.slice(0, 24 + random(copy.length - 23));
    if (copy.length < 40) return copy;
  }
  return copy;
}

/** `bytes` up to `to`, and from `from` on. */
function spliced(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const start = bytes.subarray(0, to);
  const rest = bytes.subarray(from);
  const whole = new Uint8Array(start.length + rest.length);
  whole.set(start);
  whole.set(rest, start.length);
  return whole;
}

/** Numbers of mulberry32. */
function seeded(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}
