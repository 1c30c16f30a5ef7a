/** FlexPrefill's choices against `fixtures/make_selection.py`, which restates its rules over sets and masks. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { BlockScoreOptions, BlockScores, Estimates } from "../../lib/attention/method.ts";
import type { FlexPrefillOptions } from "../../lib/attention/flex_prefill.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import { prefillContext } from "./contexts.ts";
import fixture from "./fixtures/selection.json" with { type: "json" };
import { contextAt, joined, type Place, places, units } from "./selection.ts";

type Case = (typeof fixture.flexPrefill)[number];
type Wanted = string | { readonly [kind: string]: string | string[] };

/** Heads are numbered by 2, so that a head's number is not its place. */
const HEADS = [0, 2, 4];

/** Estimates that answer with a case's sums and scores. */
function given({ length, qStart, block, heads }: Case): Partial<Estimates> {
  const columns = Math.ceil(length / block);
  const rowsOf = (last: boolean) => last ? 1 : Math.ceil((length - qStart) / block);
  const scoresOf = (asked: readonly number[], { last = false, softmax }: BlockScoreOptions) => {
    assert(softmax);
    const lists = asked.map((head) => heads[head / 2]![last ? "last" : "pairs"]);
    const scores = joined(lists.map((list) => units(list, fixture.pairUnits)));
    return { scores, rows: rowsOf(last), columns } satisfies BlockScores;
  };
  return {
    blockScores: scoresOf,
    verticalSlash: (asked, rows) => {
      assertEquals(rows, block);
      return asked.map((head) => {
        const { vertical, slash } = heads[head / 2]!;
        return { vertical: units(vertical, fixture.units), slash: units(slash, fixture.units) };
      });
    },
  };
}

function planOf(wanted: Wanted, { block, qStart }: Place): HeadPlan {
  if (typeof wanted === "string") return { kind: "dense" };
  const { blocks, vertical, slash } = wanted as Record<string, string> & { blocks?: string[] };
  return blocks ? { kind: "blockSparse", block, from: qStart, blocks: blocks.map(places) } : {
    kind: "verticalSlash",
    vertical: places(vertical!),
    slash: places(slash!),
    cover: "blocks",
  };
}

for (const compat of ["paper", "reference"] as const) {
  Deno.test(`flexPrefill() chooses by the rules of the ${compat}`, async () => {
    for (const one of fixture.flexPrefill) {
      for (const { options, heads } of one.plans.filter((plan) => plan.options.compat === compat)) {
        const found = await methods.flexPrefill({ ...options, compat, denseBelow: 0 })
          .planPrefill(contextAt(one, HEADS, given(one)));
        const wanted = heads.map((head) => planOf(head as Wanted, one));
        assertEquals(found, wanted, `${one.length} ${one.qStart} ${JSON.stringify(options)}`);
      }
    }
  });
}

/** 40 keys in blocks of 4 of a chunk whose means predict its attention but for a probability of 0. */
function withZero(compat: "paper" | "reference") {
  const p = Float32Array.of(0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2);
  const vertical = Float32Array.from({ length: 40 }, (_, x) => p[x >> 2]!);
  const context = prefillContext({ qLen: 40 }, {
    verticalSlash: () => [{ vertical, slash: vertical }],
    blockScores: (_, { last }) => ({
      scores: last ? p : new Float32Array(100).fill(0.1),
      rows: last ? 1 : 10,
      columns: 10,
    }),
  });
  const options = { block: 4, minBudget: 1, gamma: 0.3, compat, denseBelow: 0 };
  return methods.flexPrefill(options).planPrefill(context);
}

Deno.test("flexPrefill() takes 0 log 0 as 0, and as NaN by the reference's rules", async () => {
  const [[paper], [released]] = [await withZero("paper"), await withZero("reference")];
  assertEquals(paper?.kind, "blockSparse");
  assert(released?.kind === "blockSparse");
  // A query-aware head would have the first 30 of 100 equal pairs besides: those of the first three rows.
  assertEquals(released.blocks.slice(0, 3), [[0], [0, 1], [0, 2]]);
});

Deno.test("flexPrefill() counts blocks of 128 by the reference's rules, and one key more than stay within gamma", async () => {
  const vertical = new Float32Array(300).fill(16 / 128, 160, 288);
  const slash = new Float32Array(300).fill(16, 0, 1);
  const context = prefillContext({ qLen: 300 }, { verticalSlash: () => [{ vertical, slash }] });
  const lastRow = async (gamma: number) => {
    const options = { gamma, tau: 0, block: 16, minBudget: 1, compat: "reference" } as const;
    const [plan] = await methods.flexPrefill(options).planPrefill(context);
    return plan?.kind === "blockSparse" ? plan.blocks.at(-1) : plan;
  };
  assertEquals(await lastRow(126 / 128), [0, 18]);
  assertEquals(await lastRow(127 / 128), [0, 10, 18]);
});

Deno.test("flexPrefill() asks nothing about short prompts, and no pairs where tau is 0", async () => {
  const asked: string[] = [];
  const context = (qLen: number) =>
    prefillContext({ qLen }, {
      verticalSlash: () => {
        asked.push("lines");
        return [{ vertical: new Float32Array(qLen), slash: new Float32Array(qLen) }];
      },
      blockScores: () => {
        asked.push("pairs");
        return { scores: new Float32Array(5), rows: 1, columns: 5 };
      },
    });
  const plain = methods.flexPrefill({ denseBelow: 0 });
  assertEquals(await plain.planPrefill(context(512)), [{ kind: "dense" }]);
  const small = methods.flexPrefill({ minBudget: 100, block: 128, tau: 0, denseBelow: 0 });
  assertEquals(await small.planPrefill(context(256)), [{ kind: "dense" }]);
  assertEquals(asked, []);
  await small.planPrefill(context(257));
  assertEquals(asked, ["lines"]);
});

Deno.test("flexPrefill() asks nothing about chunks that see fewer keys than denseBelow", async () => {
  const plan = async (keys: number, options: FlexPrefillOptions) => {
    let asked = 0;
    const sums = new Float32Array(keys).fill(1 / keys);
    const context = prefillContext({ qStart: keys - 40, qLen: 40 }, {
      verticalSlash: () => {
        asked++;
        return [{ vertical: sums, slash: sums }];
      },
    });
    const some = { gamma: 0.1, tau: 0, block: 16, minBudget: 1, ...options };
    const [plan] = await methods.flexPrefill(some).planPrefill(context);
    return [plan!.kind, asked];
  };
  assertEquals(await plan(99, { denseBelow: 100 }), ["dense", 0]);
  assertEquals(await plan(100, { denseBelow: 100 }), ["verticalSlash", 1]);
  assertEquals(await plan(8191, {}), ["dense", 0]);
  assertEquals(await plan(8192, {}), ["verticalSlash", 1]);
  assertEquals(await plan(99, { compat: "reference" }), ["blockSparse", 1]);
});

Deno.test("flexPrefill() keeps denseBelow as an option", () => {
  const below = (options: FlexPrefillOptions) => methods.flexPrefill(options).options.denseBelow;
  assertEquals([below({}), below({ compat: "reference" })], [8192, 0]);
  assertEquals(below({ compat: "reference", denseBelow: 7 }), 7);
});

Deno.test("flexPrefill() refuses options out of range", () => {
  assertThrows(() => methods.flexPrefill({ gamma: 1.5 }), RangeError, "gamma must be 0 .. 1");
  assertThrows(() => methods.flexPrefill({ tau: -0.1 }), RangeError, "tau must be");
  assertThrows(() => methods.flexPrefill({ tau: NaN }), RangeError, "tau must be");
  assertThrows(() => methods.flexPrefill({ block: 0 }), RangeError, "block must be");
  assertThrows(() => methods.flexPrefill({ minBudget: 0 }), RangeError, "minBudget must be");
  assertThrows(() => methods.flexPrefill({ denseBelow: -1 }), RangeError, "denseBelow must be");
  assertThrows(() => methods.flexPrefill({ denseBelow: 0.5 }), RangeError, "denseBelow must be");
  const few = { minBudget: 100, maxBudget: 99 };
  assertThrows(
    () => methods.flexPrefill(few),
    RangeError,
    "maxBudget must be a whole number >= 100",
  );
  const compat = "code" as "paper";
  assertThrows(() => methods.flexPrefill({ compat }), RangeError, "compat must be");
});
