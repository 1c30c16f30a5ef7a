/**
 * Blocks of quantised weights as GGUF files hold them: some elements in few bits each, with common scales. Numbers are
 * rounded to f32 after each operation, as in ggml. Bytes are little-endian.
 *
 *     q4_0 q5_0 q8_0   d * q
 *     q4_1 q5_1        d * q + m
 *     q4_k q5_k        (d * scale) * q - (dmin * min), a 6-bit scale and min for each 32 elements
 *     q6_k             (d * scale) * q, an 8-bit scale for each 16 elements
 */
import { f16ToF32, f32ToF16 } from "./bf16.ts";

/** A type of blocks. */
export type BlockType = "q4_0" | "q4_1" | "q5_0" | "q5_1" | "q8_0" | "q4_k" | "q5_k" | "q6_k";

/** Elements and bytes of a block. */
export const BLOCKS: Readonly<Record<BlockType, { elements: number; bytes: number }>> = {
  q4_0: { elements: 32, bytes: 18 },
  q4_1: { elements: 32, bytes: 20 },
  q5_0: { elements: 32, bytes: 22 },
  q5_1: { elements: 32, bytes: 24 },
  q8_0: { elements: 32, bytes: 34 },
  q4_k: { elements: 256, bytes: 144 },
  q5_k: { elements: 256, bytes: 176 },
  q6_k: { elements: 256, bytes: 210 },
};

/** Writes what one block stands for. */
type Decode = (block: Uint8Array, out: Float32Array) => void;

const DECODE: Readonly<Record<BlockType, Decode>> = {
  q4_0: (block, out) => scaled(block, out, (i) => nibble(block, 2, i) - 8),
  q4_1: (block, out) => shifted(block, out, (i) => nibble(block, 4, i)),
  q5_0: (block, out) => scaled(block, out, (i) => nibble(block, 6, i) + 16 * bit(block, 2, i) - 16),
  q5_1: (block, out) => shifted(block, out, (i) => nibble(block, 8, i) + 16 * bit(block, 4, i)),
  q8_0: (block, out) => scaled(block, out, (i) => toInt8(block[2 + i]!)),
  q4_k: (block, out) => scaledBy32(block, out, (i) => nibbleOf64(block, 16, i)),
  q5_k: (block, out) =>
    scaledBy32(block, out, (i) => nibbleOf64(block, 48, i) + 16 * bitOf256(block, 16, i)),
  q6_k: decodeQ6K,
};

/** What blocks of `type` stand for. */
export function decodeBlocks(bytes: Uint8Array, type: BlockType): Float32Array {
  const { elements, bytes: size } = BLOCKS[type];
  const blocks = wholeBlocks("decode", type, bytes.length, size);
  const out = new Float32Array(blocks * elements);
  for (let b = 0; b < blocks; b++) {
    const block = bytes.subarray(b * size, (b + 1) * size);
    DECODE[type](block, out.subarray(b * elements, (b + 1) * elements));
  }
  return out;
}

/** Blocks of `type` that stand for about `data`, which must be finite: scales are found in f32 and kept as f16. */
export function encodeBlocks(data: Float32Array, type: "q8_0" | "q4_1"): Uint8Array {
  const { elements, bytes: size } = BLOCKS[type];
  const blocks = wholeBlocks("encode", type, data.length, elements);
  const bad = data.find((x) => !Number.isFinite(x));
  if (bad !== undefined) {
    throw new RangeError(
      `Cannot encode ${type} as numbers must be finite: current value is ${bad}`,
    );
  }
  const out = new Uint8Array(blocks * size);
  const encode = type === "q8_0" ? encodeQ8 : encodeQ4;
  for (let b = 0; b < blocks; b++) {
    const block = out.subarray(b * size, (b + 1) * size);
    encode(data.subarray(b * elements, (b + 1) * elements), block);
  }
  return out;
}

function wholeBlocks(action: string, type: BlockType, length: number, size: number): number {
  if (length % size === 0) return length / size;
  throw new RangeError(
    `Cannot ${action} ${type} as the length must be a multiple of ${size}: current value is ${length}`,
  );
}

/** The f16 at a byte. */
function half(block: Uint8Array, at: number): number {
  return f16ToF32(block[at]! | block[at + 1]! << 8);
}

function putHalf(block: Uint8Array, at: number, value: number): void {
  const stored = f32ToF16(value);
  block[at] = stored;
  block[at + 1] = stored >> 8;
}

function toInt8(byte: number): number {
  return byte << 24 >> 24;
}

/** Element i of 32: the low halves of 16 bytes, then the high halves. */
function nibble(block: Uint8Array, at: number, i: number): number {
  return block[at + i % 16]! >> (i < 16 ? 0 : 4) & 15;
}

/** Bit i of 32. */
function bit(block: Uint8Array, at: number, i: number): number {
  return block[at + (i >> 3)]! >> (i & 7) & 1;
}

/** Element i of 256: of each 64, the low halves of 32 bytes, then the high halves. */
function nibbleOf64(block: Uint8Array, at: number, i: number): number {
  return block[at + (i >> 6) * 32 + i % 32]! >> (i & 32 ? 4 : 0) & 15;
}

/** Bit i of 256: bit g of 32 bytes has the elements of the g-th 32. */
function bitOf256(block: Uint8Array, at: number, i: number): number {
  return block[at + i % 32]! >> (i >> 5) & 1;
}

function scaled(block: Uint8Array, out: Float32Array, q: (i: number) => number): void {
  const d = half(block, 0);
  for (let i = 0; i < out.length; i++) out[i] = d * q(i);
}

function shifted(block: Uint8Array, out: Float32Array, q: (i: number) => number): void {
  const [d, m] = [half(block, 0), half(block, 2)];
  for (let i = 0; i < out.length; i++) out[i] = Math.fround(d * q(i)) + m;
}

function scaledBy32(block: Uint8Array, out: Float32Array, q: (i: number) => number): void {
  const [d, dmin] = [half(block, 0), half(block, 2)];
  for (let g = 0; g < 8; g++) {
    const { scale, min } = scaleAndMin(block.subarray(4, 16), g);
    const [dl, ml] = [Math.fround(d * scale), Math.fround(dmin * min)];
    for (let i = 32 * g; i < 32 * (g + 1); i++) out[i] = Math.fround(dl * q(i)) - ml;
  }
}

/** The first four scales and mins are 6 bits of a byte; the others have 4 bits in a third row, 2 above the first four. */
function scaleAndMin(rows: Uint8Array, g: number): { scale: number; min: number } {
  const [low, high] = [rows[g % 4]!, rows[4 + g % 4]!];
  if (g < 4) return { scale: low & 63, min: high & 63 };
  const rest = rows[4 + g]!;
  return { scale: rest & 15 | low >> 6 << 4, min: rest >> 4 | high >> 6 << 4 };
}

/** Of each 128 elements, 64 bytes hold the low 4 bits and 32 bytes the upper 2. */
function decodeQ6K(block: Uint8Array, out: Float32Array): void {
  const d = half(block, 208);
  for (let i = 0; i < out.length; i++) {
    const [part, place] = [i >> 7, i % 128];
    const low = block[64 * part + place % 64]! >> (place < 64 ? 0 : 4) & 15;
    const high = block[128 + 32 * part + place % 32]! >> 2 * (place >> 5) & 3;
    const dl = Math.fround(d * toInt8(block[192 + (i >> 4)]!));
    out[i] = dl * (low + 16 * high - 32);
  }
}

/** Ties are rounded away from 0, as C's `roundf` does. */
function encodeQ8(data: Float32Array, block: Uint8Array): void {
  const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = Math.fround(largest / 127);
  const inverse = inverseOf(scale);
  putHalf(block, 0, scale);
  for (const [i, x] of data.entries()) {
    const q = Math.fround(x * inverse);
    block[2 + i] = Math.sign(q) * Math.floor(Math.abs(q) + 0.5);
  }
}

function encodeQ4(data: Float32Array, block: Uint8Array): void {
  const min = data.reduce((least, x) => x < least ? x : least);
  const largest = data.reduce((most, x) => Math.max(most, x));
  const scale = Math.fround(Math.fround(largest - min) / 15);
  const inverse = inverseOf(scale);
  putHalf(block, 0, scale);
  putHalf(block, 2, min);
  const levels = data.map((x) => Math.fround(Math.fround(x - min) * inverse));
  for (const [i, level] of levels.entries()) {
    const q = Math.min(15, Math.floor(Math.fround(level + 0.5)));
    block[4 + i % 16]! |= i < 16 ? q : q << 4;
  }
}

/** 0 where every integer stands for the same, and where it would not be finite: such scales are 0 as f16. */
function inverseOf(scale: number): number {
  const inverse = Math.fround(1 / scale);
  return Number.isFinite(inverse) ? inverse : 0;
}
