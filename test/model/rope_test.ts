import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { readConfig } from "../../lib/model/config.ts";
import { ropeFrequencies, ropeTable } from "../../lib/model/rope.ts";
import type { RopeConfig } from "../../lib/model/types.ts";
import { fixture } from "./fixtures.ts";

interface RopeCase {
  parameters: Record<string, unknown>;
  dim: number;
  maxPositions: number;
  tokens: number;
  inverse: number[];
  attentionFactor: number;
  positions: number[];
  cos: number[];
  sin: number[];
}

/** transformers computes frequencies in float32: a few units in the last place. */
const RELATIVE = 2e-6;
/** The angle at the largest position of the fixture, in float32. */
const TABLE = 2e-5;

const cases: RopeCase[] = JSON.parse(await Deno.readTextFile(fixture("rope.json")));

async function ropeOf({ parameters, dim, maxPositions }: RopeCase): Promise<RopeConfig> {
  const config = await readConfig({
    model_type: "llama",
    hidden_size: 4 * dim,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    vocab_size: 8,
    max_position_embeddings: maxPositions,
    rope_parameters: parameters,
  });
  return config.rope;
}

for (const [index, expected] of cases.entries()) {
  const { parameters, dim, tokens } = expected;
  Deno.test(`ropeFrequencies() agrees with transformers: ${index}, ${parameters["rope_type"]}, ${dim} dimensions, ${tokens} tokens`, async () => {
    const { inverse, attentionFactor } = ropeFrequencies(await ropeOf(expected), tokens);
    assertAlmostEquals(attentionFactor, expected.attentionFactor, 1e-9);
    assertEquals(inverse.length, expected.inverse.length);
    for (const [i, value] of expected.inverse.entries()) {
      assertAlmostEquals(inverse[i]!, value, RELATIVE * value);
    }
  });

  Deno.test(`ropeTable() agrees with transformers: ${index}, ${parameters["rope_type"]}`, async () => {
    const positions = Float32Array.from(expected.positions);
    const { cos, sin } = ropeTable(await ropeOf(expected), positions, tokens);
    assertEquals(cos.length, expected.cos.length);
    for (let i = 0; i < cos.length; i++) {
      assertAlmostEquals(cos[i]!, expected.cos[i]!, TABLE);
      assertAlmostEquals(sin[i]!, expected.sin[i]!, TABLE);
    }
  });
}

const PLAIN: RopeConfig = { theta: 10000, rot: 4, scaling: { type: "default" } };

Deno.test("ropeTable() takes fractional positions", () => {
  const { cos, sin } = ropeTable(PLAIN, Float64Array.of(0.5), 1);
  assertAlmostEquals(cos[0]!, Math.cos(0.5), 1e-7);
  assertAlmostEquals(sin[1]!, Math.sin(0.005), 1e-9);
});

Deno.test("ropeTable() of no positions is empty", () => {
  assertEquals(ropeTable(PLAIN, new Float32Array(), 0).cos.length, 0);
});

Deno.test("ropeFrequencies() of dynamic changes only beyond the original positions", () => {
  const scaling = { type: "dynamic", factor: 2, originalMaxPositions: 100 } as const;
  const rope: RopeConfig = { theta: 10000, rot: 8, scaling };
  assertEquals(ropeFrequencies(rope, 1), ropeFrequencies(rope, 100));
  assert(ropeFrequencies(rope, 200).inverse[3]! < ropeFrequencies(rope, 100).inverse[3]!);
});

Deno.test("ropeFrequencies() of longrope changes factors beyond the original positions", () => {
  const rope: RopeConfig = {
    theta: 10000,
    rot: 4,
    scaling: {
      type: "longrope",
      shortFactor: [1, 2],
      longFactor: [4, 8],
      originalMaxPositions: 100,
      attentionFactor: 1.5,
    },
  };
  const short = ropeFrequencies(rope, 100);
  assertEquals(Array.from(short.inverse), [1, 0.005]);
  const long = ropeFrequencies(rope, 101);
  assertEquals(Array.from(long.inverse), [0.25, 0.00125]);
  assertEquals([short.attentionFactor, long.attentionFactor], [1.5, 1.5]);
});
