/** Sentences without end: fills the patterns of `grammar_patterns.ts` from the lists of `grammar_words.ts`. */
import { pick, type Random, randomInt } from "../engine/random.ts";
import { PATTERNS } from "./grammar_patterns.ts";
import { WORDS } from "./grammar_words.ts";

/** A sentence of the grammar with what stands in front of it. */
export interface Sentence {
  /** Nothing before the first, `"\n\n"` before a paragraph, else a space. */
  readonly before: string;
  /** The sentence, capital and full stop included, without a digit. */
  readonly text: string;
}

const TOPICS: readonly (readonly string[])[] = Object.values(PATTERNS);

/** Sentences of a paragraph: at least this many, and less than this plus `MORE`. */
const FEWEST = 3;
const MORE = 6;

/**
 * Yields paragraphs about one topic each, sentence by sentence, without end. No pattern repeats within a paragraph.
 */
export function* sentences(random: Random): Generator<Sentence, never> {
  let before = "";
  while (true) {
    for (const pattern of paragraph(random)) {
      yield { before, text: fill(pattern, random) };
      before = " ";
    }
    before = "\n\n";
  }
}

/** A sentence made from a pattern: alternatives, then slots (no entry twice), then articles and the capital. */
export function fill(pattern: string, random: Random): string {
  let text = pattern;
  const used = new Set<string>();
  while (/[[{]/.test(text)) {
    text = text
      .replace(/\[([^[\]]*)\]/g, (_, options: string) => pick(random, options.split("|")))
      .replace(/\{(\w+)\}/g, (_, slot: string) => fresh(slot, used, random));
  }
  return capital(articles(text.replace(/ {2,}/g, " ")));
}

function paragraph(random: Random): string[] {
  const patterns = [...pick(random, TOPICS)];
  const count = FEWEST + randomInt(random, MORE);
  return Array.from({ length: count }, () => {
    return patterns.splice(randomInt(random, patterns.length), 1)[0] as string;
  });
}

function fresh(slot: string, used: Set<string>, random: Random): string {
  const list = WORDS[slot];
  if (!list) throw new RangeError(`Cannot fill a pattern as there is no word list "${slot}"`);
  let word = pick(random, list);
  while (used.has(word) && !word.includes("{")) word = pick(random, list);
  used.add(word);
  return word;
}

/** "a" before a consonant, "an" before a vowel, by sound. */
function articles(text: string): string {
  return text.replace(/\b([Aa]) (?=([a-z]+))/gi, (_, article: string, word: string) => {
    const vowel = /^(?:[aeio]|u(?!s[eu])|hon|hour|heir)/i.test(word) &&
      !/^on(?:e|ce)\b/i.test(word);
    return `${article}${vowel ? "n" : ""} `;
  });
}

function capital(text: string): string {
  return text.replace(/[a-z]/i, (letter) => letter.toUpperCase());
}
