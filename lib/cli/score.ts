/**
 * How well a model foretells a text: bits per byte in windows, or perplexity by attention method.
 *
 *     deno task score --text FILE [--window 512]
 *     deno task score --text FILE --methods aShape:window=1024,xAttention --lengths 8192,16384
 */
import { parseArgs } from "node:util";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { Model } from "../engine/model.ts";
import { bitsPerByte } from "../eval/bits_per_byte.ts";
import { perplexity, type PerplexityRow } from "../eval/perplexity.ts";
import { command } from "./command.ts";
import { methodLabel } from "./method_label.ts";
import { methodList } from "./method_list.ts";
import { wholeNumber, wholeNumbers } from "./option_values.ts";
import { ProgressLine } from "./progress_line.ts";
import { type Column, table } from "./table.ts";
import { withModel } from "./with_model.ts";

const USAGE = `Options of deno task score:
  --text FILE       what is read
  --model REF       a folder in Hugging Face layout, a GGUF file, or org/name[@revision] of the hub (the embedded model)
  --threads N       threads of the native library (the cores there are)
Bits per byte:
  --window N        tokens that are read together, without what came before them (512)
Perplexity of the end of a text by attention method, beside dense attention:
  --methods LIST    methods, options after colons; for example aShape:window=1024,minference:file=heads.json
  --lengths LIST    tokens that are read (8192)
  --last N          tokens at the end of them that are scored (4096, or half of the length where that is less)
  --chunk N         tokens that are planned together (${CHUNK_TOKENS})`;

function options() {
  const text = { type: "string" } as const;
  return parseArgs({
    options: {
      text,
      model: text,
      threads: text,
      window: text,
      methods: text,
      lengths: text,
      last: text,
      chunk: text,
      help: { type: "boolean" },
    },
  }).values;
}

type Options = ReturnType<typeof options>;

/** Refuses options of the measurement that was not asked for. */
function checkTogether(values: Options): void {
  const other = values.methods === undefined
    ? ["lengths", "last", "chunk"] as const
    : ["window"] as const;
  const name = other.find((name) => values[name] !== undefined);
  if (name === undefined) return;
  const why = values.methods === undefined ? "needs" : "does not go with";
  throw new RangeError(`Cannot score as --${name} ${why} --methods`);
}

/** What is to be measured, told as a text. */
type Measure = (
  model: Model,
  text: string,
  watch: {
    readonly signal: AbortSignal;
    readonly onProgress: (share: number, what?: string) => void;
  },
) => Promise<string>;

function bits({ window: asked = "512" }: Options): Measure {
  const window = wholeNumber("window", asked, 1);
  return async (model, text, watch) => {
    const found = await bitsPerByte(model, text, { ...watch, window });
    return `${found.toFixed(3)} bits per byte in windows of ${window} tokens`;
  };
}

async function perplexities(
  { methods = "", lengths = "8192", last, chunk = `${CHUNK_TOKENS}` }: Options,
): Promise<Measure> {
  const asked = {
    methods: await methodList(methods),
    lengths: wholeNumbers("lengths", lengths, 2),
    chunkTokens: wholeNumber("chunk", chunk, 1),
    ...(last === undefined ? {} : { last: wholeNumber("last", last, 1) }),
  };
  return async (model, text, watch) => {
    const rows = await Array.fromAsync(perplexity(model, { ...asked, ...watch, text }));
    return table(rows, columns(rows));
  };
}

function columns(rows: readonly PerplexityRow[]): Column<PerplexityRow>[] {
  return [
    { title: "tokens", align: "right", cell: ({ tokens }) => `${tokens}` },
    { title: "scored", align: "right", cell: ({ scoredTokens }) => `${scoredTokens}` },
    { title: "method", cell: (row) => methodLabel(row, rows) },
    { title: "perplexity", align: "right", cell: ({ perplexity }) => perplexity.toFixed(3) },
    { title: "over dense", align: "right", cell: ({ ratio }) => ratio.toFixed(4) },
  ];
}

async function main(): Promise<void> {
  const values = options();
  if (values.help) return console.log(USAGE);
  if (values.text === undefined) throw new Error("Cannot score without --text FILE");
  checkTogether(values);
  const measure = values.methods === undefined ? bits(values) : await perplexities(values);
  const text = await Deno.readTextFile(values.text);
  let found: string | undefined;
  await withModel(values, async (model, signal) => {
    const line = new ProgressLine();
    const onProgress = (share: number, what = "scoring") => line.update(share, what);
    try {
      found = await measure(model, text, { signal, onProgress });
    } finally {
      line.clear();
    }
  });
  if (found !== undefined) console.log(found);
}

if (import.meta.main) await command("score", main);
