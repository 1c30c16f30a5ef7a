/** Patterns as categories: each with a colour and a letter. */
import { CATEGORIES } from "../draw/palette.ts";
import type { PatternCells } from "./pattern_heads.ts";

/** A pattern that some heads have. */
export interface PatternKind {
  /** Its name. */
  readonly name: string;
  /** The letter that stands for it. */
  readonly letter: string;
  /** Its colour, `#rrggbb`. */
  readonly colour: string;
  /** Heads that have it. */
  readonly heads: number;
  /** Their mean tile share; `NaN` where none is known. */
  readonly mean: number;
}

/** Letter and place among the categories of what methods are known to make: the same in every figure. */
const KNOWN: Readonly<Record<string, readonly [letter: string, category: number]>> = {
  "dense": ["D", 4],
  "A-shape": ["A", 0],
  "sink and window": ["A", 0],
  "vertical-slash": ["V", 1],
  "block-sparse": ["B", 2],
  "retrieval": ["R", 3],
};
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/**
 * The patterns of a grid, the most frequent first.
 *
 * @throws {RangeError} when there are more than there are letters
 */
export function patternKinds({ patterns, shares }: PatternCells): PatternKind[] {
  const groups = Map.groupBy(patterns.keys(), (cell) => patterns[cell]);
  groups.delete(null);
  const names = [...groups.keys()] as string[];
  if (names.length > LETTERS.length) {
    throw new RangeError(
      `Cannot draw patterns as there must be <= ${LETTERS.length} of them: ` +
        `current value is ${names.length}`,
    );
  }
  const looks = looksOf(names);
  return names.map((name) => {
    const cells = groups.get(name)!;
    const known = cells.map((cell) => shares[cell]!).filter((share) => !Number.isNaN(share));
    const mean = known.reduce((sum, share) => sum + share, 0) / known.length;
    return { name, ...looks.get(name)!, heads: cells.length, mean };
  }).sort((a, b) => b.heads - a.heads);
}

/** What is known keeps its look; what is not gets what is left, whatever the order in which it comes. */
function looksOf(names: readonly string[]): Map<string, Pick<PatternKind, "letter" | "colour">> {
  const looks = new Map<string, Pick<PatternKind, "letter" | "colour">>();
  const [letters, colours] = [new Set<string>(), new Set<string>()];
  const add = (name: string, letter: string, colour: string) => {
    looks.set(name, { letter, colour });
    letters.add(letter);
    colours.add(colour);
  };
  const rest: string[] = [];
  for (const name of names) {
    const known = Object.hasOwn(KNOWN, name) ? KNOWN[name]! : undefined;
    if (known && !letters.has(known[0])) add(name, known[0], CATEGORIES[known[1]]!);
    else rest.push(name);
  }
  for (const name of rest.sort()) {
    const own = [...name.toUpperCase(), ...LETTERS].find((letter) =>
      LETTERS.includes(letter) && !letters.has(letter)
    )!;
    const colour = CATEGORIES.find((colour) => !colours.has(colour)) ??
      CATEGORIES[looks.size % CATEGORIES.length]!;
    add(name, own, colour);
  }
  return looks;
}
