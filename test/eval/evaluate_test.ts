import { assert, assertEquals, assertRejects } from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import { seededRandom } from "../../lib/engine/random.ts";
import { EvalLog } from "../../lib/eval/eval_log.ts";
import { type EvalRow, keyText } from "../../lib/eval/eval_row.ts";
import { type EvalProgress, evaluate, type EvaluateOptions } from "../../lib/eval/evaluate.ts";
import { summarize } from "../../lib/eval/summary.ts";
import type { Task } from "../../lib/eval/task.ts";
import { TASKS } from "../../lib/eval/tasks/all.ts";
import { readArrowStream } from "../../lib/trace/arrow_stream.ts";
import { type Asked, oracle, type Scripted, scripted } from "./scripted.ts";
import { wordsTokenizer } from "./words_tokenizer.ts";

const tokenizer = wordsTokenizer();
const THREE = [methods.dense(), methods.streaming(), methods.retrieval()];
const named = (...names: string[]) => TASKS.filter(({ name }) => names.includes(name));

const SMALL: EvaluateOptions = {
  tasks: named("magic-number", "keeper"),
  methods: THREE,
  tokenizer,
  lengths: [500, 700],
  questions: 20,
};

const all = (answerer: Scripted, options: Partial<EvaluateOptions> = {}) =>
  Array.fromAsync(evaluate(answerer, { ...SMALL, ...options }));

const key = (row: EvalRow) => keyText(row);
const sorted = (rows: readonly EvalRow[]) => rows.toSorted((a, b) => key(a) < key(b) ? -1 : 1);

/** Answers until it has been asked `count` times, then stops the run. */
function stoppedAfter(count: number): { answerer: Scripted; signal: AbortSignal } {
  const stop = new AbortController();
  let asked = 0;
  const answerer = scripted((question) => {
    if (++asked === count) stop.abort();
    return oracle(question);
  });
  return { answerer, signal: stop.signal };
}

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/eval.arrow`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("an oracle answers every task rightly", async () => {
  const options = { tasks: TASKS, lengths: [800], questions: 20, methods: [methods.dense()] };
  const rows = await all(scripted(oracle), options);
  assertEquals(new Set(rows.map(({ task }) => task)).size, TASKS.length);
  for (const row of summarize(rows)) {
    assertEquals([row.task, row.share, row.cannot], [row.task, 1, false]);
    assert(row.questions >= 10);
  }
});

Deno.test("a guesser of numbers and words answers nothing rightly", async () => {
  const random = seededRandom(1);
  const guess = ({ question }: Asked) =>
    question.values!.map((value) =>
      value.replaceAll(/[0-9]/g, () => `${Math.floor(random() * 10)}`)
        .replaceAll(/[a-z]/g, () => "abcdefghijklmnopqrstuvwxyz"[Math.floor(random() * 26)]!)
    ).join(" ");
  const rows = await all(scripted(guess), {
    tasks: TASKS,
    lengths: [800],
    methods: THREE.slice(0, 1),
  });
  for (const { task, share, cannot } of summarize(rows)) {
    assertEquals([task, share, cannot], [task, 0, true]);
  }
});

Deno.test("a guesser between two answers is right half of the time, within the interval", async () => {
  const random = seededRandom(7);
  const choice = () => random() < 0.5 ? "heads" : "tails";
  const coin: Task = {
    name: "coin",
    questions: () => 10,
    make: ({ index }) => ({
      context: `toss ${index}`,
      questions: Array.from({ length: 10 }, (_, n) => ({
        text: `${n}?`,
        values: [choice()],
        depth: null,
        placed: null,
        kind: "coin",
      })),
    }),
  };
  const rows = await all(scripted(choice), { tasks: [coin], questions: 400, lengths: [1] });
  for (const { interval: { low, high }, difference, cannot } of summarize(rows)) {
    assert(low < 0.5 && high > 0.5 && high - low < 0.11);
    assert(cannot && (!difference || difference.low < 0 && difference.high > 0));
  }
});

Deno.test("every method gets the same questions; a text is read once and once for who governs prefill", async () => {
  const answerer = scripted(oracle);
  const rows = await all(answerer);
  const asked = (name: string) =>
    answerer.asks.filter(({ method }) => method === name).map(({ question }) => question);
  assertEquals(asked("dense").length, 2 * 2 * 20);
  assertEquals(asked("streaming"), asked("dense"));
  assertEquals(asked("retrieval"), asked("dense"));
  assertEquals(rows.length, 3 * 80);
  const contexts = new Set(answerer.reads.map(({ context }) => context));
  assertEquals(contexts.size, 2 * 2 * 2);
  for (const context of contexts) {
    const readers = answerer.reads.filter((read) => read.context === context);
    assertEquals(readers.map(({ method }) => method), ["dense", "streaming"]);
  }
  assertEquals(answerer.open.size, 0);
});

Deno.test("the same seed gives the same rows, another seed other questions", async () => {
  const first = await all(scripted(oracle), { seed: 5 });
  assertEquals(await all(scripted(oracle), { seed: 5 }), first);
  const other = await all(scripted(oracle), { seed: 6 });
  const expected = (rows: EvalRow[]) => rows.map((row) => row.expected);
  assert(expected(other).every((value, i) => value !== expected(first)[i]));
});

Deno.test("rows say what was asked, answered and spent", async () => {
  const [row] = await all(scripted(oracle), { tasks: named("magic-number"), lengths: [500] });
  const { task, tokensAsked, seed, index, question, method, right, expected, answer } = row!;
  assertEquals({ task, tokensAsked, seed, index, question, method, right }, {
    task: "magic-number",
    tokensAsked: 500,
    seed: 0,
    index: 0,
    question: 0,
    method: "dense",
    right: true,
  });
  assertEquals(JSON.parse(expected), [answer]);
  assertEquals([row!.attended, row!.keys, row!.answerTokens, row!.depth], [100, 100, 4, 0.05]);
  assert(row!.tokens > 460 && row!.tokens <= 500);
});

Deno.test("a run that was stopped goes on from its file and ends with the same table", () =>
  withFile(async (path) => {
    const whole = await all(scripted(oracle));
    let answered = 0;
    for (const count of [7, 45, 130]) {
      const { answerer, signal } = stoppedAfter(count);
      const log = await EvalLog.open(path);
      assertEquals(log.length, answered);
      await assertRejects(() => all(answerer, { log, signal }), CancelledError);
      await log.close();
      answered += count;
      assertEquals((await readArrowStream(path)).length, answered);
      assertEquals(answerer.open.size, 0);
    }
    const log = await EvalLog.open(path);
    const last = scripted(oracle);
    const rows = await all(last, { log });
    await log.close();
    assertEquals(last.asks.length, whole.length - answered);
    assertEquals(sorted(rows), sorted(whole));
    const inOrder = (rows: EvalRow[]) => JSON.stringify(summarize(sorted(rows)));
    assertEquals(inOrder(rows), inOrder(whole));
  }));

Deno.test("a whole file answers without asking, reading or making a text", () =>
  withFile(async (path) => {
    const log = await EvalLog.open(path);
    const rows = await all(scripted(oracle), { log });
    await log.close();
    const again = await EvalLog.open(path);
    const answerer = scripted(oracle);
    const tasks = SMALL.tasks.map((task) => ({
      ...task,
      make: () => assert(false, "no text is needed") as never,
    }));
    assertEquals(sorted(await all(answerer, { log: again, tasks })), sorted(rows));
    assertEquals([answerer.reads, answerer.asks], [[], []]);
    await again.close();
  }));

Deno.test("a torn file loses its last batch only", () =>
  withFile(async (path) => {
    const log = await EvalLog.open(path);
    for await (const _ of evaluate(scripted(oracle), SMALL.questions ? { ...SMALL, log } : SMALL)) {
      if (log.length % 50 === 0) await log.flush();
    }
    await log.close();
    await Deno.truncate(path, (await Deno.stat(path)).size - 10);
    const torn = await EvalLog.open(path);
    assertEquals(torn.length, 200);
    const answerer = scripted(oracle);
    assertEquals((await all(answerer, { log: torn })).length, 240);
    assertEquals(answerer.asks.length, 40);
    await torn.close();
  }));

Deno.test("another model, seed, option or depth is asked anew; more questions only ask the new ones", async () => {
  const log = EvalLog.inMemory();
  const small = { log, tasks: named("keeper"), lengths: [500], methods: [methods.dense()] };
  const asks = async (options: Partial<EvaluateOptions> = {}, name = "scripted") => {
    const answerer = scripted(oracle, name);
    await all(answerer, { ...small, ...options });
    return answerer.asks.length;
  };
  assertEquals(await asks(), 20);
  assertEquals(await asks(), 0);
  assertEquals(await asks({ questions: 50 }), 30);
  assertEquals(await asks({ seed: 1 }), 20);
  assertEquals(await asks({}, "another"), 20);
  assertEquals(await asks({ depths: [0.1, 0.9] }), 20);
  assertEquals(await asks({ methods: [methods.retrieval({ topK: 4 })] }), 20);
  assertEquals(await asks({ methods: [methods.retrieval({ topK: 5 })] }), 20);
});

Deno.test("progress rises to 1, counts only what is missing, and says how long it takes", async () => {
  const log = EvalLog.inMemory();
  await all(scripted(oracle), { log, tasks: named("keeper") });
  const seen: EvalProgress[] = [];
  await all(scripted(oracle), { log, onProgress: (progress) => seen.push(progress) });
  const shares = seen.map(({ share }) => share);
  assertEquals(shares, shares.toSorted((a, b) => a - b));
  assert(shares[0]! < 0.05 && Math.abs(shares.at(-1)! - 1) < 1e-9);
  assert(seen.every(({ msLeft }) => msLeft !== null && msLeft > -1e-6));
  assert(seen[0]!.what.startsWith("magic-number, 500 tokens, text 1, dense"));
});

Deno.test("summarize() compares with dense on the same questions and says where the model cannot", async () => {
  const half = ({ question, method, context }: Asked) => {
    const number = Number(question.values![0]!.match(/\d/)?.[0] ?? 0);
    return method.name === "streaming" && number < 5 ? "no" : oracle({ question, method, context });
  };
  const [dense, streaming, retrieval] = summarize(
    await all(scripted(half), { tasks: named("magic-number"), lengths: [500], questions: 200 }),
  );
  assertEquals([dense!.share, dense!.difference, dense!.cannot], [1, null, false]);
  assert(streaming!.share > 0.35 && streaming!.share < 0.65);
  assertEquals(streaming!.difference!.difference, streaming!.share - 1);
  assert(streaming!.difference!.high < -0.35);
  assertEquals(retrieval!.difference!.difference, 0);
  assertEquals(
    [
      retrieval!.scannedShare,
      retrieval!.attendedShare,
      retrieval!.msPerToken,
      retrieval!.residentBytes,
    ],
    [0.5, 0.1, 2, 100],
  );
  const weak = summarize(
    await all(
      scripted(({ method, ...rest }) =>
        method.name === "dense" ? "no" : oracle({ method, ...rest })
      ),
    ),
  );
  assert(weak.every(({ cannot }) => cannot));
});

Deno.test("summarize() divides by depth, rising", async () => {
  const early = ({ context, question, method }: Asked) =>
    context.indexOf(question.values![0]!) < context.length / 2
      ? oracle({ context, question, method })
      : "";
  const rows = await all(scripted(early), {
    tasks: named("keeper"),
    lengths: [700],
    methods: [methods.dense()],
  });
  const places = summarize(rows, { byDepth: true });
  assertEquals(places.map(({ depth }) => depth), [
    .05,
    .15,
    .25,
    .35,
    .45,
    .55,
    .65,
    .75,
    .85,
    .95,
  ]);
  assertEquals(places.map(({ share }) => share), [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
  assertEquals(places.map(({ questions }) => questions), Array(10).fill(2));
});

Deno.test("evaluate() refuses no questions and a task that asks another number of them", async () => {
  await assertRejects(() => all(scripted(oracle), { questions: 0 }), RangeError, "questions");
  const wrong = { ...named("keeper")[0]!, questions: () => 3 };
  await assertRejects(
    () => all(scripted(oracle), { tasks: [wrong] }),
    RangeError,
    "must ask 3 questions",
  );
});
