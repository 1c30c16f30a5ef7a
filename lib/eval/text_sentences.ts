/** Sentences of a text of the user. */
import { randomInt, seededRandom } from "../engine/random.ts";
import type { Sentence } from "./grammar.ts";

/** White space, then all up to a full stop with its closing quotes, or up to a blank line or the end. */
const SENTENCE = /(\s*)(\S[\s\S]*?(?:[.!?]["'”’)\]]*(?=\s|$)|(?=\n\s*\n)|$))/g;

/**
 * The sentences of `text` in order, with the white space in front of each. With a seed they start at a random one
 * and go on at the start when the end is reached.
 */
export function* textSentences(text: string, seed?: number): Generator<Sentence, undefined> {
  const all = [...text.trimEnd().matchAll(SENTENCE)].map(([, before, text]) => ({
    before: before as string,
    text: text as string,
  }));
  const start = seed === undefined ? 0 : randomInt(seededRandom(seed), all.length);
  for (let i = 0; i < all.length; i++) {
    const sentence = all[(start + i) % all.length] as Sentence;
    yield { before: i === 0 ? "" : sentence.before || "\n\n", text: sentence.text };
  }
}
