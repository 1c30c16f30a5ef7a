/**
 * `deno task haystack --tokens N [--seed S] [--count C] [--tokenizer FOLDER]`: prints texts of the sentence grammar.
 *
 * With `--bytes N` instead of `--tokens N`, texts are cut at the end of a sentence by size, which needs no tokenizer.
 * Text number i has the seed S + i; texts are divided by an empty line.
 */
import { parseArgs } from "node:util";
import { seededRandom } from "../engine/random.ts";
import { sentences } from "../eval/grammar.ts";
import { haystack } from "../eval/haystack.ts";
import { reasonOf } from "../../ffi/refusal.ts";
import { loadTokenizer } from "../model/tokenizer.ts";

const USAGE =
  "Usage: deno task haystack (--tokens N | --bytes N) [--seed S] [--count C] [--tokenizer FOLDER]";
const EMBEDDED = `${import.meta.dirname}/../model/embedded`;

interface Options {
  readonly tokens: number | undefined;
  readonly bytes: number | undefined;
  readonly seed: number;
  readonly count: number;
  readonly tokenizer: string;
}

function read(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tokens: { type: "string" },
      bytes: { type: "string" },
      seed: { type: "string", default: "0" },
      count: { type: "string", default: "1" },
      tokenizer: { type: "string", default: EMBEDDED },
    },
  });
  if ((values.tokens === undefined) === (values.bytes === undefined)) {
    throw new RangeError("Cannot print text as one of --tokens and --bytes must be given");
  }
  return {
    tokens: values.tokens === undefined ? undefined : whole("--tokens", values.tokens),
    bytes: values.bytes === undefined ? undefined : whole("--bytes", values.bytes),
    seed: whole("--seed", values.seed),
    count: whole("--count", values.count),
    tokenizer: values.tokenizer,
  };
}

function whole(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new RangeError(
    `Cannot print text as ${name} must be a whole number: current value is ${text}`,
  );
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
  const { tokens, bytes = 0, count, seed } = options;
  const tokenizer = tokens === undefined ? undefined : await loadTokenizer(options.tokenizer);
  for (let i = 0; i < count; i++) {
    yield tokenizer && tokens !== undefined
      ? haystack({ tokens, tokenizer, seed: seed + i }).text
      : ofSize(bytes, seed + i);
  }
}

try {
  let divider = "";
  for await (const text of texts(read(Deno.args))) {
    console.log(divider + text);
    divider = "\n";
  }
} catch (error) {
  console.error(`${reasonOf(error)}\n${USAGE}`);
  Deno.exit(1);
}
