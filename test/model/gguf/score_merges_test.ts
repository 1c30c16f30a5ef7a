import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { scoreRanks } from "../../../lib/model/gguf/score_merges.ts";
import { type Merge, mergeKey } from "../../../lib/model/tokenizer_vocabulary.ts";

interface Scored {
  readonly tokens: readonly string[];
  readonly scores: readonly number[];
}

/** Entries of a few characters that can be cut in many ways, some of them of equal scores. */
const vocabularies: fc.Arbitrary<Scored> = fc.uniqueArray(
  fc.tuple(
    fc.string({
      unit: fc.constantFrom("a", "b", '"', ",", "\\", "🙂"),
      minLength: 1,
      maxLength: 5,
    }),
    fc.integer({ min: -3, max: 3 }),
  ),
  { selector: ([token]) => token, maxLength: 60 },
).map((entries) => ({
  tokens: entries.map(([token]) => token),
  scores: entries.map(([, score]) => score),
}));

async function ranksOf({ tokens, scores }: Scored): Promise<(merge: Merge) => number | undefined> {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const ranks = await scoreRanks(tokens, ids, scores);
  return (merge) => ranks.get(mergeKey(merge));
}

/** Every cut of an entry into two, by score and id of the entry and then by the id of the left part. */
function listMerges({ tokens, scores }: Scored): Merge[] {
  const ids = tokens.map((_, id) => id).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return ids.flatMap((id) => {
    const token = tokens[id]!;
    const cuts = Array.from(
      { length: token.length },
      (_, at): Merge => [token.slice(0, at), token.slice(at)],
    );
    return cuts.filter((cut) => cut.every((part) => tokens.includes(part)))
      .sort(([a], [b]) => tokens.indexOf(a) - tokens.indexOf(b));
  });
}

Deno.test("scoreRanks() puts the best scores first, then the first entry, then the first left part", async () => {
  const tokens = ["a", "b", "ab", "aab", "aa", "bb"];
  const rank = await ranksOf({ tokens, scores: [0, 0, -2, -3, -1, -1] });
  const merges: Merge[] = [["a", "ab"], ["aa", "b"], ["a", "b"], ["b", "b"], ["a", "a"]];
  const sorted = merges.toSorted((x, y) => rank(x)! - rank(y)!);
  assertEquals(sorted, [["a", "a"], ["b", "b"], ["a", "b"], ["a", "ab"], ["aa", "b"]]);
});

Deno.test("scoreRanks() orders merges as a list of all cuts does, by whole numbers", async () => {
  await fc.assert(
    fc.asyncProperty(vocabularies, async (vocabulary) => {
      const rank = await ranksOf(vocabulary);
      const listed = listMerges(vocabulary);
      const ranks = listed.map((merge) => rank(merge)!);
      assertEquals(ranks.every(Number.isInteger), true);
      assertEquals(ranks, [...new Set(ranks)].sort((a, b) => a - b));
      assertEquals(listed.map((merge) => rank(merge)!), ranks);
    }),
    { seed: 1 },
  );
});

Deno.test("scoreRanks() has no rank for pairs that are no merges", async () => {
  await fc.assert(
    fc.asyncProperty(vocabularies, async (vocabulary) => {
      const rank = await ranksOf(vocabulary);
      const keys = new Set(listMerges(vocabulary).map(mergeKey));
      for (const left of [...vocabulary.tokens, "c"]) {
        for (const right of vocabulary.tokens.slice(0, 20)) {
          const merge: Merge = [left, right];
          assertEquals(rank(merge) !== undefined, keys.has(mergeKey(merge)));
          assertEquals(rank(merge) !== undefined, keys.has(mergeKey(merge)));
        }
      }
    }),
    { seed: 1 },
  );
});
