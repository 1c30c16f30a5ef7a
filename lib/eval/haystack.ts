/** Long texts with facts hidden in them. The filler is our own sentence grammar, or a text of the user. */
import { seededRandom } from "../engine/random.ts";
import type { Fact } from "./facts.ts";
import { type Sentence, sentences } from "./grammar.ts";
import { textSentences } from "./text_sentences.ts";

/** What counts tokens; every `Tokenizer` does. */
export interface TokenCounter {
  /** Ids of a text, without what a tokenizer may add at its ends. */
  encode(text: string): ArrayLike<number>;
}

/** Options of {@link haystack}. */
export interface HaystackOptions {
  /** Tokens the text may have; it has at most that many and seldom ten fewer. */
  readonly tokens: number;
  /** Counts them. */
  readonly tokenizer: TokenCounter;
  /**
   * What to hide, in this order.
   *
   * @default []
   */
  readonly facts?: readonly Fact[];
  /**
   * Where to hide each, as a fraction of the filler in front of it: 0 is the start, 1 the end. By default the facts
   * are spread evenly: one at 0.5, two at 0.25 and 0.75.
   */
  readonly depths?: readonly number[];
  /**
   * The same seed gives the same text.
   *
   * @default 0
   */
  readonly seed?: number;
}

/** A fact and where it is. */
export interface PlacedFact extends Fact {
  /** Fraction of the filler's tokens in front of it. */
  readonly depth: number;
  /** Where in the text its statement starts. */
  readonly charStart: number;
}

/** A text with facts hidden in it. */
export interface Haystack {
  /** The text, without any question. */
  readonly text: string;
  /** The facts in the order they were given. */
  readonly facts: readonly PlacedFact[];
  /** What the filler was drawn with; `null` for a text taken from its start. */
  readonly seed: number | null;
}

/** A sentence with its tokens, or its share of those of its block. */
interface Piece extends Sentence {
  readonly tokens: number;
}

type Count = (text: string) => number;

/** Sentences in a row that may be too long for the room left before we leave it empty. */
const PATIENCE = 32;

/** Corrections of the sum of the pieces' tokens by the count of the whole. */
const ROUNDS = 6;

/** Room that is left empty. */
const SLACK_TOKENS = 8;

/** Tokens that are counted at once, and from which room on sentences are counted one by one. */
const BLOCK_TOKENS = 4096;
const FINE_TOKENS = 128;

/**
 * A text of at most `tokens` tokens from the sentence grammar, with `facts` between its sentences.
 *
 * @example
 * ```ts
 * import { makeFacts } from "./facts.ts";
 * import { haystack } from "./haystack.ts";
 *
 * const tokenizer = { encode: (text: string) => text.split(/\s+/) as unknown as ArrayLike<number> };
 * const { text, facts } = haystack({ tokens: 500, tokenizer, facts: makeFacts(2), seed: 7 });
 * ```
 */
export function haystack(options: HaystackOptions): Haystack {
  const { seed = 0 } = options;
  // The embedded model is trained on the sentences of seeds from 0 up: it must not have seen those of a haystack.
  const filler = sentences(seededRandom(~seed));
  return { ...build(filler, PATIENCE, options), seed };
}

/**
 * The same with a text of the user as filler, cut at the end of a sentence. It starts with the text, or where `seed`
 * says, going on at the start when the end is reached; nothing is used twice. Sentences that hold a fact's value are left out.
 */
export function haystackFromText(text: string, options: HaystackOptions): Haystack {
  const { seed } = options;
  return { ...build(textSentences(text, seed), 0, options), seed: seed ?? null };
}

function build(
  filler: Iterator<Sentence>,
  patience: number,
  options: HaystackOptions,
): Pick<Haystack, "text" | "facts"> {
  const { tokens, tokenizer, facts = [], depths = evenly(facts.length) } = options;
  checkDepths(depths, facts.length);
  const count = (text: string) => tokenizer.encode(text).length;
  const needed = facts.reduce((sum, fact) => sum + count(fact.statement), 0);
  checkTokens(tokens, needed);

  const source = new Source(filler, facts);
  const pieces: Piece[] = [];
  let result = compose(pieces, facts, depths);
  let room = tokens - needed;
  for (let round = 0; round < ROUNDS && room > SLACK_TOKENS; round++) {
    const added = take(source, room, patience, count);
    pieces.push(...added);
    result = compose(pieces, facts, depths);
    room = tokens - count(result.text);
    if (added.length === 0) break;
  }
  while (room < 0 && pieces.length > 0) {
    pieces.pop();
    result = compose(pieces, facts, depths);
    room = tokens - count(result.text);
  }
  return result;
}

/** Filler sentences that hold no value of a fact; what was taken can be put back. */
class Source {
  readonly #filler: Iterator<Sentence>;
  readonly #values: readonly string[];
  #back: Sentence[] = [];

  constructor(filler: Iterator<Sentence>, facts: readonly Fact[]) {
    this.#filler = filler;
    this.#values = facts.map((fact) => fact.value.toLowerCase());
  }

  /** The next sentence; undefined at the end. */
  next(): Sentence | undefined {
    while (this.#back.length === 0) {
      const { value, done } = this.#filler.next();
      if (done) return undefined;
      if (!this.#leaks(value.text.toLowerCase())) return value;
    }
    return this.#back.shift();
  }

  /** The next sentences, of at most `chars` characters together. */
  block(chars: number): Sentence[] {
    const block: Sentence[] = [];
    for (let left = chars; left > 0;) {
      const sentence = this.next();
      if (!sentence) break;
      left -= joined(sentence).length;
      if (left >= 0) block.push(sentence);
      else this.putBack([sentence]);
    }
    return block;
  }

  /** Makes `sentences` the next ones. */
  putBack(sentences: readonly Sentence[]): void {
    this.#back = [...sentences, ...this.#back];
  }

  #leaks(text: string): boolean {
    return this.#values.some((value) => text.includes(value));
  }
}

/** Filler that fits into `room` tokens: blocks first, as counting many short texts is slow, then single sentences. */
function take(source: Source, room: number, patience: number, count: Count): Piece[] {
  const blocks = takeBlocks(source, room, count);
  const taken = blocks.reduce((sum, piece) => sum + piece.tokens, 0);
  return [...blocks, ...takeSentences(source, room - taken, patience, count)];
}

function takeBlocks(source: Source, room: number, count: Count): Piece[] {
  const pieces: Piece[] = [];
  let charsPerToken = 2;
  while (room > FINE_TOKENS) {
    const block = source.block(charsPerToken * Math.min(0.9 * room, BLOCK_TOKENS));
    const text = block.map(joined).join("");
    if (text === "") break;
    const tokens = count(text);
    if (tokens > room) {
      source.putBack(block);
      charsPerToken /= 2;
      continue;
    }
    charsPerToken = text.length / tokens;
    room -= tokens;
    for (const sentence of block) {
      pieces.push({ ...sentence, tokens: joined(sentence).length / charsPerToken });
    }
  }
  return pieces;
}

/** Ends at a sentence that does not fit, or passes over up to `patience` of them. */
function takeSentences(source: Source, room: number, patience: number, count: Count): Piece[] {
  const pieces: Piece[] = [];
  while (room >= 1) {
    const sentence = source.next();
    if (!sentence) throw tooShort(room);
    const tokens = count(joined(sentence));
    if (tokens <= room) {
      pieces.push({ ...sentence, tokens });
      room -= tokens;
    } else if (patience-- === 0) {
      source.putBack([sentence]);
      break;
    }
  }
  return pieces;
}

function joined({ before, text }: Sentence): string {
  return before + text;
}

/** Joins pieces and facts: each fact in front of the piece at which its depth is met most nearly. */
function compose(
  pieces: readonly Piece[],
  facts: readonly Fact[],
  depths: readonly number[],
): Pick<Haystack, "text" | "facts"> {
  const starts = running(pieces);
  const total = starts.at(-1) as number;
  const at = depths.map((depth) => nearest(starts, depth * total));
  const placed = new Array<PlacedFact>(facts.length);
  let text = "";
  for (let boundary = 0; boundary <= pieces.length; boundary++) {
    facts.forEach((fact, i) => {
      if (at[i] !== boundary) return;
      const depth = total === 0 ? 0 : (starts[boundary] as number) / total;
      placed[i] = { ...fact, depth, charStart: text.length };
      text += fact.statement;
    });
    const piece = pieces[boundary];
    if (piece) text += (boundary === 0 && text ? " " : piece.before) + piece.text;
  }
  return { text, facts: placed };
}

/** Tokens in front of each piece, and of all. */
function running(pieces: readonly Piece[]): number[] {
  const starts = [0];
  for (const piece of pieces) starts.push((starts.at(-1) as number) + piece.tokens);
  return starts;
}

function nearest(sorted: readonly number[], target: number): number {
  const above = sorted.findIndex((value) => value >= target);
  if (above <= 0) return above === 0 ? 0 : sorted.length - 1;
  const [low, high] = [sorted[above - 1] as number, sorted[above] as number];
  return target - low < high - target ? above - 1 : above;
}

function evenly(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i + 0.5) / count);
}

function checkDepths(depths: readonly number[], count: number): void {
  if (depths.length !== count) {
    throw new RangeError(
      `Cannot make haystack as depths must be ${count}, one for each fact: current value is ${depths.length}`,
    );
  }
  const wrong = depths.find((depth) => !(depth >= 0 && depth <= 1));
  if (wrong === undefined) return;
  throw new RangeError(
    `Cannot make haystack as depths must be 0 <= depth <= 1: current value is ${wrong}`,
  );
}

function checkTokens(tokens: number, needed: number): void {
  if (Number.isInteger(tokens) && tokens >= needed) return;
  throw new RangeError(
    `Cannot make haystack as tokens must be an integer >= ${needed}, what the facts need: current value is ${tokens}`,
  );
}

function tooShort(room: number): RangeError {
  return new RangeError(
    `Cannot make haystack as the text ends early: ${Math.ceil(room)} tokens are missing`,
  );
}
