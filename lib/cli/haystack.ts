/**
 * `deno task haystack --tokens N [--seed S] [--count C] [--facts F] [--tokenizer FOLDER]`: prints texts of the sentence grammar.
 *
 * With `--facts F`, that many facts are spread over each text, and at its end all are asked for and answered; what is asked comes
 * on top of the tokens.
 * With `--bytes N` instead of `--tokens N`, texts are cut at the end of a sentence by size, which needs no tokenizer.
 * Text number i has the seed S + i; texts are divided by an empty line.
 */
import { parseArgs } from "node:util";
import { seededRandom } from "../engine/random.ts";
import { sentences } from "../eval/grammar.ts";
import { makeFacts } from "../eval/facts.ts";
import { haystack, type HaystackOptions } from "../eval/haystack.ts";
import { loadTokenizer } from "../model/tokenizer.ts";
import { command } from "./command.ts";
import { wholeNumber } from "./option_values.ts";

const USAGE =
  "Usage: deno task haystack (--tokens N [--facts F] | --bytes N) [--seed S] [--count C] [--tokenizer FOLDER]";
const EMBEDDED = `${import.meta.dirname}/../model/embedded`;

interface Options {
  readonly tokens: number | undefined;
  readonly bytes: number | undefined;
  readonly seed: number;
  readonly count: number;
  readonly facts: number;
  readonly tokenizer: string;
}

/** `null` where the usage is asked for. */
function read(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tokens: { type: "string" },
      bytes: { type: "string" },
      seed: { type: "string", default: "0" },
      count: { type: "string", default: "1" },
      facts: { type: "string", default: "0" },
      tokenizer: { type: "string", default: EMBEDDED },
      help: { type: "boolean" },
    },
  });
  if (values.help) return null;
  if ((values.tokens === undefined) === (values.bytes === undefined)) {
    throw new RangeError("Cannot print text as one of --tokens and --bytes must be given");
  }
  if (values.tokens === undefined && values.facts !== "0") {
    throw new RangeError("Cannot print text with --facts as --tokens must be given");
  }
  return {
    tokens: values.tokens === undefined ? undefined : wholeNumber("tokens", values.tokens),
    bytes: values.bytes === undefined ? undefined : wholeNumber("bytes", values.bytes),
    seed: wholeNumber("seed", values.seed),
    count: wholeNumber("count", values.count),
    facts: wholeNumber("facts", values.facts),
    tokenizer: values.tokenizer,
  };
}

/** A text with facts spread over it, and at its end the questions for them, answered. */
function asking(options: HaystackOptions & { readonly seed: number }, count: number): string {
  const facts = makeFacts(count, { seed: options.seed });
  const asked = facts.map(({ question, answer }) => question + answer);
  return haystack({ ...options, facts }).text + asked.join("");
}

/** Sentences of at most `bytes` bytes; all of the grammar is ASCII. */
function ofSize(bytes: number, seed: number): string {
  const pieces: string[] = [];
  let left = bytes;
  for (const { before, text } of sentences(seededRandom(seed))) {
    left -= before.length + text.length;
    if (left < 0) break;
    pieces.push(before, text);
  }
  return pieces.join("");
}

async function* texts(options: Options): AsyncGenerator<string> {
  const { tokens, bytes = 0, count, facts, seed } = options;
  const tokenizer = tokens === undefined ? undefined : await loadTokenizer(options.tokenizer);
  for (let i = 0; i < count; i++) {
    yield tokenizer && tokens !== undefined
      ? asking({ tokens, tokenizer, seed: seed + i }, facts)
      : ofSize(bytes, seed + i);
  }
}

async function main(): Promise<void> {
  const options = read(Deno.args);
  if (!options) return console.log(USAGE);
  let divider = "";
  for await (const text of texts(options)) {
    console.log(divider + text);
    divider = "\n";
  }
}

if (import.meta.main) await command("haystack", main);
