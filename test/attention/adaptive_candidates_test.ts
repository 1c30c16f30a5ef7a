/** Candidates against masks and sums written out, one row and key at a time. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
} from "@std/assert";
import {
  areaOf,
  blockCandidates,
  blockPlan,
  type Candidate,
  type ChosenPlan,
  denseArea,
  slashCandidates,
  streamingCandidates,
} from "../../lib/attention/adaptive_candidates.ts";
import { lower } from "../../lib/attention/lower.ts";
import type { BlockScores, PrefillContext } from "../../lib/attention/method.ts";
import { drawGroups, GROUP_ROWS, RowGroup } from "../../lib/attention/row_groups.ts";
import { tileArea } from "../../lib/attention/tile_area.ts";
import { Random } from "../random.ts";
import { keysOfRow } from "./brute_force.ts";
import { prefillContext } from "./contexts.ts";

/** Attention of all rows of a chunk, more of it near and at the start. */
function attentionOf(context: PrefillContext, seed: number, spread: number): number[][] {
  const random = new Random(seed);
  return Array.from({ length: context.qLen }, (_, row) => {
    const i = context.qStart + row;
    const weights = Array.from({ length: i + 1 }, (_, j) => {
      const near = Math.exp((j - i) / 20);
      return near + (j < 3 ? 2 : 0) + spread * random.next() ** 8;
    });
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / sum);
  });
}

function groupOf(context: PrefillContext, attention: number[][], number: number): RowGroup {
  const rows = attention.slice(number * GROUP_ROWS, (number + 1) * GROUP_ROWS);
  const length = context.qStart + number * GROUP_ROWS + rows.length;
  const [vertical, slash] = [new Float32Array(length), new Float32Array(length)];
  for (const row of rows) {
    row.forEach((share, j) => {
      vertical[j]! += share;
      slash[row.length - 1 - j]! += share;
    });
  }
  return new RowGroup(context, number, { vertical, slash });
}

/** What the executable of a plan keeps of a group of rows. */
function keptByHand(
  plan: ChosenPlan,
  context: PrefillContext,
  attention: number[][],
  number: number,
) {
  const { qStart, qLen, kvLength } = context;
  const tiles = lower(plan, qStart, qLen, kvLength);
  const rows = attention.slice(number * GROUP_ROWS, (number + 1) * GROUP_ROWS);
  const sums = rows.map((row, x) => {
    const held = keysOfRow(tiles, qStart, number * GROUP_ROWS + x, kvLength);
    return row.reduce((sum, share, j) => sum + (held[j]! > 0 ? share : 0), 0);
  });
  return sums.reduce((a, b) => a + b, 0) / rows.length;
}

const CONTEXTS = [
  prefillContext({ qStart: 0, qLen: 330 }),
  prefillContext({ qStart: 256, qLen: 200 }),
  prefillContext({ qStart: 301, qLen: 150 }),
];

/** Calls `body` with the chunks, their attention, and all their groups. */
function eachChunk(
  body: (context: PrefillContext, attention: number[][], groups: RowGroup[]) => void,
): void {
  CONTEXTS.forEach((context, seed) => {
    const attention = attentionOf(context, seed, 0.4);
    const count = Math.ceil(context.qLen / GROUP_ROWS);
    body(
      context,
      attention,
      Array.from({ length: count }, (_, x) => groupOf(context, attention, x)),
    );
  });
}

function check(
  candidates: readonly Candidate[],
  context: PrefillContext,
  attention: number[][],
  groups: readonly RowGroup[],
  planOf: (candidate: Candidate) => ChosenPlan,
): void {
  assert(candidates.length > 0);
  for (const candidate of candidates) {
    const plan = planOf(candidate);
    const masses = groups.map((group, x) => {
      const [found, wanted] = [candidate.kept(group), keptByHand(plan, context, attention, x)];
      assertLessOrEqual(found, wanted + 1e-5);
      if (plan.kind !== "streaming") assertAlmostEquals(found, wanted, 1e-5);
      return found;
    });
    assertGreaterOrEqual(masses.reduce((a, b) => a + b, 0) / masses.length, 0.8 - 1e-5);
  }
}

const fitted = (groups: readonly RowGroup[]) => ({ groups, mass: 0.8, most: 1 });

Deno.test("streamingCandidates() keep the target, and no more than they say", () => {
  eachChunk((context, attention, groups) => {
    const found = streamingCandidates(fitted(groups));
    check(found, context, attention, groups, ({ choice }) => choice as ChosenPlan);
    const late = groups.at(-1)!;
    const plan = found[0]!.choice as ChosenPlan;
    const wanted = keptByHand(plan, context, attention, groups.length - 1);
    assertAlmostEquals(found[0]!.kept(late), wanted, 1e-5);
  });
});

Deno.test("slashCandidates() keep the target by what their tiles hold", () => {
  eachChunk((context, attention, groups) => {
    const found = slashCandidates(fitted(groups));
    check(found, context, attention, groups, ({ choice }) => choice as ChosenPlan);
  });
});

Deno.test("blockCandidates() keep the target by the blocks of each row of blocks", () => {
  eachChunk((context, attention, groups) => {
    const scores = meansOf(context, attention);
    const found = blockCandidates(fitted(groups), scores, context);
    check(found, context, attention, groups, ({ choice }) => {
      assert(choice.kind === "blockShare");
      return blockPlan(scores, context, choice.share);
    });
  });
});

/** Attention between blocks, as predicted scores. */
function meansOf({ qLen, kvLength }: PrefillContext, attention: number[][]): BlockScores {
  const [rows, columns] = [Math.ceil(qLen / 64), Math.ceil(kvLength / 64)];
  const scores = new Float32Array(rows * columns);
  attention.forEach((row, r) => {
    const block = Math.floor(r / 64);
    const count = Math.min(64, qLen - block * 64);
    row.forEach((share, j) => scores[block * columns + Math.floor(j / 64)]! += share / count);
  });
  return { scores, rows, columns };
}

Deno.test("candidates know their tile area", () => {
  eachChunk((context, attention) => {
    const { qStart, qLen, kvLength } = context;
    const area = (plan: ChosenPlan) => tileArea(lower(plan, qStart, qLen, kvLength));
    assertEquals(denseArea(qStart, qLen), area({ kind: "dense" }));
    const blocks = blockPlan(meansOf(context, attention), context, 0.7);
    assertEquals(areaOf(blocks, context), area(blocks));
  });
});

Deno.test("candidates know their share of the tile area in whole row tiles", () => {
  const context = prefillContext({ qStart: 256, qLen: 192 });
  const attention = attentionOf(context, 5, 0.4);
  const groups = Array.from({ length: 24 }, (_, x) => groupOf(context, attention, x));
  const area = (plan: ChosenPlan) => tileArea(lower(plan, 256, 192, 448)) / denseArea(256, 192);
  for (const { choice, share } of streamingCandidates(fitted(groups))) {
    assertAlmostEquals(share, area(choice as ChosenPlan), 1e-9);
  }
  for (const { choice, share } of slashCandidates(fitted(groups))) {
    const wanted = area(choice as ChosenPlan);
    // Columns that the tiles of some rows hold, or that lie behind them, are counted, too.
    assertGreaterOrEqual(share, wanted - 1e-9);
    assertLessOrEqual(share, wanted + 0.15);
  }
});

Deno.test("candidates beyond the area that is allowed are left out", () => {
  eachChunk((_, _attention, groups) => {
    for (const candidates of [streamingCandidates, slashCandidates]) {
      assertEquals(candidates({ groups, mass: 0.8, most: 0.01 }), []);
      for (const { share } of candidates({ groups, mass: 0.8, most: 0.5 })) {
        assertLessOrEqual(share, 0.5);
      }
    }
  });
});

Deno.test("drawGroups() draws each part of a chunk twice, never the same group", () => {
  for (let seed = 0; seed < 200; seed++) {
    const population = 6 + seed % 40;
    const count = 1 + seed % 3;
    const { fit, check } = drawGroups(population, count, seed);
    assertEquals(new Set([...fit, ...check]).size, 2 * count);
    const part = (x: number) => [fit, check].map((numbers) => numbers[x]!);
    for (let x = 0; x < count; x++) {
      for (const number of part(x)) {
        assertGreaterOrEqual(number, Math.floor(x * population / count));
        assertLessOrEqual(number, Math.floor((x + 1) * population / count) - 1);
      }
    }
  }
});

Deno.test("drawGroups() draws every group equally often", () => {
  const counts = new Array<number>(12).fill(0);
  for (let seed = 0; seed < 6000; seed++) {
    for (const number of drawGroups(12, 3, seed * 77).check) counts[number]!++;
  }
  for (const count of counts) assertAlmostEquals(count / 6000, 0.25, 0.025);
});
