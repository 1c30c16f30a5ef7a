/** That each peer computes what our kernels compute, and counts what it should: causal, scaled, grouped heads. */
import { assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import type { PeerCase } from "../../lib/bench/peer.ts";
import { ChildPeer, type PeerProgram } from "../../lib/bench/peers/child_peer.ts";
import { LLAMA } from "../../lib/bench/peers/llama.ts";
import { ONNXRUNTIME } from "../../lib/bench/peers/onnxruntime.ts";
import { rowsOf, toText } from "../../lib/bench/peers/protocol.ts";
import { TORCH } from "../../lib/bench/peers/torch.ts";
import { attend } from "../../kernels/reference/attention.ts";
import { roundToBf16 } from "../../kernels/reference/bf16.ts";
import { append, type KvHead, PAGE_TOKENS } from "../../kernels/reference/pages.ts";
import { assertClose } from "../kernels/tolerance.ts";
import { Random } from "../random.ts";
import { isRequired } from "../required.ts";
import { isRunning, present } from "./peers_fixture.ts";

type Floats = Float32Array<ArrayBuffer>;

/**
 * Largest error of a row against exact attention over the rounded data: f32 differs by its exponential, the 16-bit
 * types also round queries, probabilities, output or, as llama.cpp does with f16, the sums of values. The 8 bits of q8_0
 * are made of the data by the peer itself: a key's and a value's element is off by up to 1/254 of the largest of 32.
 */
const TOLERANCES = { f32: 2e-5, f16: 2e-2, bf16: 2e-2, q8_0: 4e-2 } as const;

/** Rows of more than one batch, threads, groups, keys that are no multiple of anything. */
const SHAPES: readonly Omit<PeerCase, "dtype" | "seconds" | "seed">[] = [
  { kind: "prefill", tokens: 37, heads: 4, kvHeads: 2, dim: 64, threads: 2 },
  { kind: "prefill", tokens: 33, heads: 2, kvHeads: 2, dim: 128, threads: 1 },
  { kind: "prefill", tokens: 515, heads: 2, kvHeads: 1, dim: 64, threads: 1 },
  { kind: "decode", tokens: 301, heads: 8, kvHeads: 2, dim: 64, threads: 1 },
  { kind: "decode", tokens: 77, heads: 3, kvHeads: 3, dim: 128, threads: 1 },
];

const CASES: readonly PeerCase[] = SHAPES.flatMap((shape, seed) =>
  (["f32", "f16", "bf16", "q8_0"] as const).map((dtype) => ({ ...shape, dtype, seconds: 0, seed }))
);

function dataOf(c: PeerCase): Record<"q" | "k" | "v", Floats> {
  const random = new Random(c.seed);
  const same = (x: Floats) => x;
  const round = { f32: same, f16: roundToF16, bf16: roundToBf16, q8_0: same }[c.dtype];
  const normals = (count: number) => round(random.normals(count) as Floats) as Floats;
  const kvCount = c.tokens * c.kvHeads * c.dim;
  return { q: normals(rowsOf(c) * c.heads * c.dim), k: normals(kvCount), v: normals(kvCount) };
}

function roundToF16(values: Floats): Floats {
  return Float32Array.from(new Float16Array(values));
}

/** Row r sees the keys up to its own place: in decode all of them. */
function expected(c: PeerCase, { q, k, v }: Record<"q" | "k" | "v", Floats>): Float32Array {
  const { tokens, heads, kvHeads, dim } = c;
  const kv = Array.from({ length: kvHeads }, (_, head) => headOf(c, head, k, v));
  const out = new Float32Array(q.length);
  const lse = new Float32Array(q.length / dim);
  const keysOf = (row: number) => Array.from({ length: tokens - rowsOf(c) + row + 1 }, (_, i) => i);
  const queries = { q, heads, dim, scale: 1 / Math.sqrt(dim) };
  for (const _ of attend(queries, { heads: kv, length: tokens }, keysOf, out, lse));
  return out;
}

function headOf({ tokens, dim }: PeerCase, head: number, k: Floats, v: Floats): KvHead {
  const page = () => ({
    k: new Float32Array(PAGE_TOKENS * dim),
    v: new Float32Array(PAGE_TOKENS * dim),
    positions: new Float32Array(PAGE_TOKENS),
    keyScales: new Float32Array(dim),
  });
  const kv = { dim, pages: Array.from({ length: Math.ceil(tokens / PAGE_TOKENS) }, page) };
  append(kv, head, 0, k, v, new Float32Array(tokens), (row) => row);
  return kv;
}

async function whyMissing(program: PeerProgram): Promise<string | undefined> {
  const found = await ChildPeer.find(program);
  if ("missing" in found) return found.missing;
  await found.close();
}

/** Cases, their data and what is right, computed once for all peers. */
const KNOWN = new Map<PeerCase, { data: Record<"q" | "k" | "v", Floats>; out: Float32Array }>();

function known(c: PeerCase) {
  const before = KNOWN.get(c);
  if (before) return before;
  const data = dataOf(c);
  const now = { data, out: expected(c, data) };
  KNOWN.set(c, now);
  return now;
}

async function checkCase(peer: ChildPeer, c: PeerCase): Promise<void> {
  const { kind, tokens, heads, kvHeads, dim, dtype } = c;
  const { data: { q, k, v }, out } = known(c);
  const values = await peer.check(c, { q: toText(q), k: toText(k), v: toText(v) });
  const name = `${kind} of ${tokens} tokens, ${heads} and ${kvHeads} heads, d = ${dim}, ${dtype}`;
  const wanted = { name, values: out, width: dim };
  assertClose({ name, values, width: dim }, wanted, TOLERANCES[dtype]);
}

async function checkRepetitions(peer: ChildPeer): Promise<void> {
  const c = { ...CASES[0]!, kvHeads: CASES[0]!.heads };
  const { milliseconds } = await peer.measure(c);
  assertEquals(milliseconds.length, 3, "no seconds were given for more");
  assertEquals(milliseconds.every((ms) => ms > 0), true);
  const many = await peer.measure({ ...c, seconds: 0.2 });
  assertGreaterOrEqual(many.milliseconds.reduce((sum, ms) => sum + ms, 0), 100);
}

for (const program of [...ONNXRUNTIME, LLAMA, TORCH]) {
  const missing = await whyMissing(program);
  if (missing !== undefined) console.log(`${program.name} is not tested: ${missing}`);

  Deno.test({
    name: `${program.name} computes what the float64 reference computes, and is timed`,
    ignore: missing !== undefined && !isRequired("peers"),
    fn: async (t) => {
      const peer = present(await ChildPeer.find(program));
      const pid = peer.pid!;
      const accepted = CASES.filter((c) => peer.accepts(c) === undefined);
      assertGreaterOrEqual(accepted.length, 2);
      for (const c of accepted) await checkCase(peer, c);
      await t.step(
        "its repetitions are at least three, and fill the time",
        () => checkRepetitions(peer),
      );
      assertMatch(peer.version, /\d+\.\d+/);
      await peer.close();
      assertEquals(isRunning(pid), false);
    },
  });
}
