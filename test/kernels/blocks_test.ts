/** Blocks of quantised weights against the PyPI package gguf (`fixtures/make_blocks.py`). */
import { assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fileURLToPath } from "node:url";
import { f16ToF32, f32ToF16 } from "../../kernels/reference/bf16.ts";
import {
  BLOCKS,
  type BlockType,
  decodeBlocks,
  encodeBlocks,
} from "../../kernels/reference/blocks.ts";
import { readSafetensorsHeader } from "../../lib/model/safetensors.ts";

const TYPES = Object.keys(BLOCKS) as BlockType[];
const ENCODED = ["q8_0", "q4_1"] as const;
/** The relative error of an f16, and some for the roundings to f32. */
const HALF_ERROR = 1.01 * 2 ** -11;

const path = fileURLToPath(new URL("./fixtures/blocks.safetensors", import.meta.url));
const { tensors } = await readSafetensorsHeader(path);
const file = await Deno.readFile(path);

function stored(name: string): Uint8Array<ArrayBuffer> {
  const { begin, end } = tensors.get(name)!;
  return file.slice(begin, end);
}

function storedFloats(name: string): Float32Array {
  return new Float32Array(stored(name).buffer);
}

/** Whole blocks of numbers whose scales are neither subnormal nor infinite as f16. */
function numbers(): fc.Arbitrary<Float32Array> {
  const element = fc.integer({ min: -(2 ** 15), max: 2 ** 15 });
  const block = fc.array(element, { minLength: 32, maxLength: 32 });
  return fc.array(block, { maxLength: 3 }).map((blocks) => Float32Array.from(blocks.flat()));
}

/** Least, largest and largest absolute number of the block of each element. */
function ranges(data: Float32Array): { min: number; max: number; most: number }[] {
  return Array.from(data, (_, i) => {
    const block = data.subarray(i - i % 32, i - i % 32 + 32);
    const [min, max] = [Math.min(...block), Math.max(...block)];
    return { min, max, most: Math.max(-min, max) };
  });
}

function assertWithin(data: Float32Array, type: "q8_0" | "q4_1", error: readonly number[]): void {
  const decoded = decodeBlocks(encodeBlocks(data, type), type);
  assertEquals(decoded.length, data.length);
  for (const [i, x] of data.entries()) assertLessOrEqual(Math.abs(decoded[i]! - x), error[i]!);
}

for (const type of TYPES) {
  Deno.test(`decodeBlocks() equals gguf's dequantize to the bit: ${type}`, () => {
    const decoded = decodeBlocks(stored(`${type}.bytes`), type);
    assertEquals(new Uint8Array(decoded.buffer), stored(`${type}.f32`));
  });
}

for (const type of ENCODED) {
  Deno.test(`encodeBlocks() equals gguf's quantize to the byte: ${type}`, () => {
    assertEquals(encodeBlocks(storedFloats("encode.f32"), type), stored(`encode.${type}`));
  });

  Deno.test(`encodeBlocks() keeps numbers that blocks can hold: ${type}`, () => {
    const [min, max] = type === "q8_0" ? [-127, 127] : [0, 15];
    const integers = fc.array(fc.integer({ min, max }), { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(integers, (rest) => {
        const data = Float32Array.from([...rest, min, max]);
        assertEquals(decodeBlocks(encodeBlocks(data, type), type), data);
      }),
      { seed: 1 },
    );
  });

  Deno.test(`encodeBlocks() takes numbers whose scale is 0 as f16: ${type}`, () => {
    const data = new Float32Array(32).fill(1e-45, 0, 16);
    assertEquals(encodeBlocks(data, type), new Uint8Array(BLOCKS[type].bytes));
  });

  Deno.test(`encodeBlocks() refuses numbers that are not finite: ${type}`, () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const data = new Float32Array(64).fill(bad, 40, 41);
      const message = `numbers must be finite: current value is ${bad}`;
      assertThrows(() => encodeBlocks(data, type), RangeError, message);
    }
  });
}

Deno.test("encodeBlocks() to q8_0 is off by half a scale and by the rounding of the scale", () => {
  fc.assert(
    fc.property(numbers(), (data) => {
      const error = ranges(data).map(({ most }) => most * (0.5 / 127 + HALF_ERROR));
      assertWithin(data, "q8_0", error);
    }),
    { seed: 1 },
  );
});

Deno.test("encodeBlocks() to q4_1 is off by half a step and by the rounding of step and minimum", () => {
  fc.assert(
    fc.property(numbers(), (data) => {
      const error = ranges(data).map(({ min, max }) =>
        (max - min) * (0.5 / 15 + HALF_ERROR) + Math.abs(min) * HALF_ERROR
      );
      assertWithin(data, "q4_1", error);
    }),
    { seed: 1 },
  );
});

for (const type of TYPES) {
  Deno.test(`decodeBlocks() takes whole blocks only: ${type}`, () => {
    const { bytes, elements } = BLOCKS[type];
    assertEquals(decodeBlocks(new Uint8Array(3 * bytes), type).length, 3 * elements);
    assertEquals(decodeBlocks(new Uint8Array(), type).length, 0);
    for (const length of [1, bytes - 1, bytes + 2]) {
      assertThrows(() => decodeBlocks(new Uint8Array(length), type), RangeError, `${length}`);
    }
  });
}

Deno.test("encodeBlocks() takes whole blocks only", () => {
  for (const length of [1, 31, 65]) {
    assertThrows(() => encodeBlocks(new Float32Array(length), "q8_0"), RangeError, `${length}`);
  }
});

Deno.test("f32ToF16() gives every half back, and the nearest half of other numbers, to even", () => {
  const halves = new Float16Array(Uint16Array.from({ length: 2 ** 16 }, (_, half) => half).buffer);
  for (const [half, value] of halves.entries()) {
    if (!Number.isNaN(value)) assertEquals(f32ToF16(value), half);
  }
  fc.assert(
    fc.property(fc.float(), (x) => {
      const expected = new Float16Array([x])[0]!;
      assertEquals(Object.is(f16ToF32(f32ToF16(x)), expected), true, `${x}`);
    }),
    { seed: 1 },
  );
  const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 3 * 2 ** -25, 65519, 65520, -65520];
  assertEquals(ties.map(f32ToF16), [0x3c00, 0x3c02, 0, 2, 0x7bff, 0x7c00, 0xfc00]);
});
