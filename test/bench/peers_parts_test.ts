import { assertEquals } from "@std/assert";
import { headsFirst } from "../../lib/bench/peers/layout.ts";
import { lines } from "../../lib/bench/peers/lines.ts";
import type { PeerCase } from "../../lib/bench/peer.ts";
import { arraysBytes, attentionBytes } from "../../lib/bench/peers/memory.ts";
import { encodeModel } from "../../lib/bench/peers/onnx_model.ts";
import { fromText, toText } from "../../lib/bench/peers/protocol.ts";
import { CASE } from "./peers_fixture.ts";

async function linesOf(...pieces: Uint8Array[]): Promise<string[]> {
  return await Array.fromAsync(lines(ReadableStream.from(pieces).getReader()));
}

/** Fields of a protobuf message: varints as numbers, the others as bytes. */
function fields(bytes: Uint8Array): [field: number, value: number | Uint8Array][] {
  const found: [number, number | Uint8Array][] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const [key, value] = [varint(), varint()];
    if (key % 8 === 0) found.push([key >> 3, value]);
    else found.push([key >> 3, bytes.subarray(at, at += value)]);
  }
  return found;
}

/** The parts of a message that lie below field numbers, one after another. */
function below(bytes: Uint8Array, ...path: number[]): (number | Uint8Array)[] {
  const [first, ...rest] = path;
  const values = fields(bytes).filter(([field]) => field === first).map(([, value]) => value);
  if (rest.length === 0) return values;
  return values.flatMap((value) => below(value as Uint8Array, ...rest));
}

Deno.test("lines() joins pieces, also within a letter, and ends with what has no line end", async () => {
  const bytes = new TextEncoder().encode("first é\nsecond\n\nrest");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const pieces = [bytes.slice(0, cut), bytes.slice(cut)];
    assertEquals(await linesOf(...pieces), ["first é", "second", "", "rest"]);
  }
});

Deno.test("fromText(toText()) returns the numbers, also those of a part of a buffer", () => {
  const values = Float32Array.of(1, -0.5, NaN, Infinity, 3e-40);
  assertEquals(fromText(toText(values)), values);
  assertEquals(fromText(toText(values.subarray(1, 3))), values.slice(1, 3));
});

Deno.test("headsFirst() swaps tokens and heads", () => {
  const tokens = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12); // [3, 2, 2]
  assertEquals([...headsFirst(tokens, 2, 2)], [1, 2, 5, 6, 9, 10, 3, 4, 7, 8, 11, 12]);
});

Deno.test("attentionBytes() counts all scores only where there is no fused kernel", () => {
  const small = { ...CASE, tokens: 1000, heads: 8 };
  const twice = { ...small, tokens: 2000 };
  const child = { processBytes: 1e8, copies: 2 };
  const scores = (c: typeof small) =>
    attentionBytes(c, child, true) - attentionBytes(c, child, false);
  assertEquals(scores(small), 2 * 4 * 8 * 1000 ** 2);
  assertEquals(scores(twice) / scores(small), 4);
});

Deno.test("arraysBytes() is the process and so many copies of q, K, V and the output as f32", () => {
  const c: PeerCase = { ...CASE, kind: "decode", tokens: 1000, heads: 8, kvHeads: 2, dim: 64 };
  const elements = 2 * 8 * 64 + 2 * 1000 * 2 * 64;
  assertEquals(arraysBytes(c, { processBytes: 1e8, copies: 2.5 }), 1e8 + 2.5 * 4 * elements);
});

Deno.test("encodeModel() writes the fields of onnx.proto, however long", () => {
  const name = "a".repeat(300);
  const model = encodeModel({
    operation: "Attend",
    attributes: { num_heads: 1 << 20 },
    inputs: [{ name, type: "f32", shape: [1, 40_000] }],
    outputs: [{ name: "out", type: "int32", shape: [] }],
  });
  const text = (...path: number[]) =>
    below(model, ...path).map((value) => new TextDecoder().decode(value as Uint8Array));
  assertEquals(text(7, 1, 4), ["Attend"]);
  assertEquals(text(7, 1, 7), ["com.microsoft"]);
  assertEquals([text(7, 1, 1), text(7, 11, 1)], [[name], [name]]);
  assertEquals([text(7, 1, 2), text(7, 12, 1)], [["out"], ["out"]]);
  assertEquals([text(7, 1, 5, 1), below(model, 7, 1, 5, 3)], [["num_heads"], [1 << 20]]);
  assertEquals(below(model, 7, 11, 2, 1, 2, 1, 1), [1, 40_000]);
  assertEquals(below(model, 7, 12, 2, 1, 1), [6]);
  assertEquals(text(8, 1), ["", "com.microsoft"]);
});
