/**
 * Keys in 4 bits: `k[j][i] ~ low[i] + step[i] level[j][i]`, level in 0 .. 15. A record of 256 keys holds f32 `low [dim]`, f32
 * `step [dim]` and the levels, two in a byte: `[group of 32 keys][dim / 4][16][4]`, keys 0 to 15 of the group in low nibbles,
 * 16 to 31 in high ones. Records are the native library's, byte by byte.
 */
import { dot } from "./linear.ts";
import { logSumExp } from "./output.ts";
import { type KvHead, pageOf, slotOf } from "./pages.ts";
import type { Steps } from "./steps.ts";

/** Keys of a record. */
const RECORD_KEYS = 256;
const GROUP_KEYS = 32;
const HALF_KEYS = 16;
const MOST = 15;
const LARGEST = 3.4028234663852886e38;
/** Channels with smaller steps count as constant. */
const LEAST_STEP = 2 ** -120;

/** Keys of a KV head that an index covers. */
export interface Nodes {
  /** The head. */
  readonly kv: KvHead;
  /** Key of node 0. */
  readonly start: number;
  /** How many there are. */
  readonly nodes: number;
}

/** What a row asks for. */
export interface Flat4Asking {
  /** `[dim]` */
  readonly q: Float32Array;
  /** Keys that are scored exactly. */
  readonly candidates: number;
  /** Keys to return. */
  readonly k: number;
  /** Multiplies scores in `lse`. */
  readonly scale: number;
}

/** What a row found: at most `k` keys, falling scores. */
export interface Flat4Found {
  /** Key numbers. */
  readonly keys: readonly number[];
  /** `q . k` of each. */
  readonly scores: readonly number[];
  /** Keys that were scored exactly. */
  readonly scanned: number;
  /** Log sum over all nodes of `exp(scale s)`: s exact for candidates, in 4 bits for all others. */
  readonly lse: number;
}

/** Writes the records of nodes `first ..`; yields after each. */
export function* encodeFlat4({ kv, start, nodes }: Nodes, first: number, bytes: Uint8Array): Steps {
  for (let node = first; node < nodes; node += RECORD_KEYS) {
    const count = Math.min(RECORD_KEYS, nodes - node);
    const keys = Array.from({ length: count }, (_, j) => keyOf(kv, start + node + j));
    const size = recordBytes(kv.dim);
    const at = node / RECORD_KEYS * size;
    encodeRecord(keys, kv.dim, bytes.subarray(at, at + size));
    yield;
  }
}

function encodeRecord(keys: readonly Float32Array[], dim: number, record: Uint8Array): void {
  record.fill(0);
  const view = new DataView(record.buffer, record.byteOffset);
  for (let i = 0; i < dim; i++) {
    const values = keys.map((key) => key[i]!);
    const low = Math.min(...values) + 0; // -0 becomes 0
    const range = Math.min(Math.fround(Math.max(...values) + 0 - low), LARGEST);
    const step = Math.fround(range / MOST);
    view.setFloat32(4 * i, low, true);
    view.setFloat32(4 * (dim + i), step, true);
    const inverse = step > LEAST_STEP ? Math.fround(1 / step) : 0;
    for (const [j, value] of values.entries()) {
      const level = Math.fround(Math.fround(value - low) * inverse);
      const { byte, shift } = placeOf(j, i, dim);
      record[byte]! |= roundToEven(Math.min(level, MOST)) << shift;
    }
  }
}

/** The best keys of a row: all nodes in 4 bits, then the best of them exactly. */
export function searchFlat4(
  { kv, start, nodes }: Nodes,
  bytes: Uint8Array,
  { q, candidates, k, scale }: Flat4Asking,
): Flat4Found {
  const scores = Float64Array.from({ length: nodes }, (_, node) => {
    const record = Math.floor(node / RECORD_KEYS);
    const size = recordBytes(kv.dim);
    const key = decodedKey(bytes.subarray(record * size), node % RECORD_KEYS, kv.dim);
    return dot(q, 0, key, 0, kv.dim);
  });
  const exact = fallingNodes(scores).slice(0, candidates);
  for (const node of exact) scores[node] = dot(q, 0, keyOf(kv, start + node), 0, kv.dim);
  const best = exact.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, k);
  return {
    keys: best.map((node) => start + node),
    scores: best.map((node) => scores[node]!),
    scanned: exact.length,
    lse: logSumExp(scores.map((score) => scale * score)),
  };
}

function fallingNodes(scores: Float64Array): number[] {
  return Array.from(scores, (_, node) => node).sort((a, b) => scores[b]! - scores[a]! || a - b);
}

function decodedKey(record: Uint8Array, j: number, dim: number): Float64Array {
  const view = new DataView(record.buffer, record.byteOffset);
  return Float64Array.from({ length: dim }, (_, i) => {
    const { byte, shift } = placeOf(j, i, dim);
    const [low, step] = [view.getFloat32(4 * i, true), view.getFloat32(4 * (dim + i), true)];
    return low + step * (record[byte]! >> shift & MOST);
  });
}

/** Where the level of channel i of a record's key j is. */
function placeOf(j: number, i: number, dim: number): { byte: number; shift: number } {
  const quad = Math.floor(j / GROUP_KEYS) * dim / 4 + Math.floor(i / 4);
  const byte = 8 * dim + 4 * (quad * HALF_KEYS + j % HALF_KEYS) + i % 4;
  return { byte, shift: j % GROUP_KEYS < HALF_KEYS ? 0 : 4 };
}

function recordBytes(dim: number): number {
  return RECORD_KEYS * dim / 2 + 8 * dim;
}

function keyOf(kv: KvHead, key: number): Float32Array {
  const slot = slotOf(kv, key);
  return pageOf(kv, key).k.subarray(slot, slot + kv.dim);
}

/** The nearest integer of a number below 2^22, halves to even. */
function roundToEven(x: number): number {
  const magic = 1.5 * 2 ** 23;
  return Math.fround(x + magic) - magic;
}
