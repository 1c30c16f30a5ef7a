/**
 * Draws the figures of the README with the embedded model:
 *
 *     deno run --allow-all notebooks/figures/draw.ts
 */
import {
  evaluate,
  haystack,
  makeFacts,
  methods,
  Model,
  plot,
  sessionAnswerer,
  TASKS,
} from "../../mod.ts";

const folder = new URL(".", import.meta.url).pathname;
const model = await Model.load();

/** An answer with KV retrieval from 4,000 tokens, as the live view leaves it. */
async function answering(): Promise<void> {
  const { text, facts } = haystack({
    tokens: 4000,
    tokenizer: model.tokenizer,
    facts: makeFacts(4, { mix: { magicNumber: 1 }, seed: 11 }),
    depths: [0.15, 0.4, 0.65, 0.9],
    seed: 11,
  });
  const session = model.session({ attention: methods.retrieval({ topK: 100 }) });
  await session.prefill(text);
  const run = session.ask(facts[1]!.question, { template: null });
  const { figure } = await plot.live(run, { title: "Answering with KV retrieval" });
  await figure.save(`${folder}live.png`);
  session.close();
}

/** Which of ten magic numbers in a text are found, by length, depth and method. */
async function finding(): Promise<void> {
  const rows = [];
  const rowsOf = evaluate(sessionAnswerer(model), {
    tasks: TASKS.filter(({ name }) => name === "magic-number"),
    methods: [methods.dense(), methods.streaming(), methods.retrieval()],
    tokenizer: model.tokenizer,
    lengths: [1024, 2048, 4096, 8192],
    questions: 100,
    seed: 5,
  });
  for await (const row of rowsOf) rows.push(row);
  const title = "Right answers: one of ten magic numbers in the text";
  await plot.needleGrid(rows, { title }).save(`${folder}needles.png`);
}

await answering();
await finding();
model.close();
