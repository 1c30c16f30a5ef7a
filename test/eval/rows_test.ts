import { assert, assertEquals, assertRejects } from "@std/assert";
import { methods } from "../../lib/attention/methods.ts";
import { evaluate } from "../../lib/eval/evaluate.ts";
import { grammarFiller } from "../../lib/eval/fillers.ts";
import { readKeyValues } from "../../lib/eval/rows/key_values.ts";
import { readRuler, rulerTask } from "../../lib/eval/rows/ruler.ts";
import { DEPTHS, type Task } from "../../lib/eval/task.ts";
import { scripted } from "./scripted.ts";
import { wordsTokenizer } from "./words_tokenizer.ts";

const DATA = new URL("../../../shared/data/tasks/", import.meta.url).pathname;
const tokenizer = wordsTokenizer();

const ROW = {
  input:
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>You are a helpful assistant<|eot_id|>" +
    "<|start_header_id|>user<|end_header_id|>Memorize this.\nThe numbers for a are: 123. The grass is green.\n" +
    "What are all the numbers for a?<|eot_id|><|start_header_id|>assistant<|end_header_id|> The numbers for a are",
  outputs: ["123", "456"],
};

const make = (task: Task, index: number) =>
  task.make({ tokens: 0, seed: 0, index, tokenizer, filler: grammarFiller, depths: DEPTHS });

async function read(path: string, reader: (path: string) => Promise<Task | null>) {
  const task = await reader(DATA + path);
  if (!task) console.log(`skipped: there is no ${path} here`);
  return task;
}

Deno.test("rulerTask() makes the prompt without the template's marks", () => {
  const { context, questions: [question] } = make(rulerTask("ruler-a", [ROW]), 0);
  assertEquals(context, "Memorize this.\nThe numbers for a are: 123. The grass is green.");
  assertEquals(question!.text, "\nWhat are all the numbers for a? The numbers for a are");
  assertEquals(question!.values, ROW.outputs);
});

Deno.test("rows of RULER are scored by the share of their outputs in the answer", async () => {
  const task = rulerTask("ruler-a", [ROW, ROW, ROW]);
  const replies = [" 456 and 123", " 123, 123.", " none"];
  let next = 0;
  const answerer = scripted(() => replies[next++]!);
  const rows = await Array.fromAsync(
    evaluate(answerer, { tasks: [task], methods: [methods.dense()], tokenizer }),
  );
  assertEquals(rows.map(({ score }) => score), [1, 0.5, 0]);
  assertEquals(rows.map(({ right }) => right), [true, false, false]);
  assertEquals(rows.map(({ tokensAsked }) => tokensAsked), [0, 0, 0]);
});

for (const name of ["niah_single_1", "niah_multikey_1", "niah_multiquery", "vt", "fwe"]) {
  Deno.test(`readRuler() reads ${name}: the question is cut off, the text holds the answer`, async () => {
    const task = await read(`ruler-4k/${name}.jsonl`, readRuler);
    if (!task) return;
    assertEquals([task.name, task.cases], [`ruler-${name}`, 20]);
    for (let index = 0; index < 20; index++) {
      const { context, questions: [question] } = make(task, index);
      assert(context.length > 8000 && question!.text.length < 600);
      assert(/^\n(Question|What)/.test(question!.text) && /\w|:$/.test(question!.text));
      assert(!/<\|/.test(context + question!.text) && !context.includes("helpful assistant"));
      for (const value of question!.values) {
        assert(context.includes(value) && !question!.text.includes(value));
      }
    }
  });
}

Deno.test("readKeyValues() makes the prompt of Lost in the Middle", async () => {
  const task = await read("kv-retrieval-75_keys.jsonl.gz", readKeyValues);
  if (!task) return;
  assertEquals([task.name, task.cases], ["kv-75", 500]);
  const { context, questions: [question] } = make(task, 7);
  const key = question!.text.match(/Key: "(.*)"\nCorresponding value:$/)![1]!;
  const pairs = JSON.parse(context.slice(context.indexOf("{"))) as Record<string, string>;
  assertEquals(Object.keys(pairs).length, 75);
  assertEquals([pairs[key]], [...question!.values]);
  const place = Object.keys(pairs).indexOf(key);
  assertEquals(question!.depth, (place + 0.5) / 75);
});

Deno.test("readers give null without a file and refuse other rows with their place", async () => {
  assertEquals(await readRuler("/nowhere/a.jsonl"), null);
  const file = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    await Deno.writeTextFile(file, '{"input": "a", "outputs": ["b"]}\n{"input": 3}\n');
    await assertRejects(() => readRuler(file), TypeError, "row 1");
    await assertRejects(() => readKeyValues(file), TypeError, "row 0");
    await Deno.writeTextFile(file, "{");
    await assertRejects(() => readRuler(file), TypeError, "line 1 is no JSON");
  } finally {
    await Deno.remove(file);
  }
});
