import { assert, assertEquals, assertRejects } from "@std/assert";
import { CancelledError, TokenizerError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import { Model } from "../../lib/engine/model.ts";
import { memory } from "../../lib/engine/open_models.ts";
import { evaluate } from "../../lib/eval/evaluate.ts";
import { sessionAnswerer } from "../../lib/eval/session_answerer.ts";
import { passKey } from "../../lib/eval/tasks/pass_key.ts";
import { multiKey } from "../../lib/eval/tasks/multi_key.ts";
import { testModel } from "../model/gguf/test_models.ts";

const METHODS = [
  methods.dense(),
  methods.streaming({ sink: 4, window: 64 }),
  methods.retrieval({ sink: 16, window: 64, topK: 32 }),
];

Deno.test("the embedded model is evaluated at 512 tokens, and what each method attends is counted", async () => {
  const model = await Model.load();
  const held = memory().allocatedBytes;
  try {
    const rows = await Array.fromAsync(evaluate(sessionAnswerer(model), {
      tasks: [passKey, multiKey()],
      methods: METHODS,
      tokenizer: model.tokenizer,
      lengths: [512],
      questions: 10,
    }));
    assertEquals(rows.length, 3 * 20);
    for (const row of rows) {
      assert(row.tokens > 470 && row.tokens <= 513, `${row.tokens}`);
      assert(row.keys > row.tokens && row.keys < row.tokens + 100);
      assert(row.msPerToken > 0 && row.answerTokens > 0 && row.answerTokens <= 32);
    }
    const of = (name: string) => rows.filter(({ method }) => method === name);
    for (const row of of("dense")) {
      assertEquals(row.scanned, 0);
      assertEquals(row.attended, row.keys);
    }
    for (const row of of("streaming")) assertEquals([row.scanned, row.attended], [0, 68]);
    for (const row of of("retrieval")) {
      assertEquals(row.attended, 16 + 64 + 32);
      assert(Math.abs(row.scanned - (row.keys - 16 - 64)) < 1e-6);
    }
    const [dense, streaming] = ["dense", "streaming"].map((name) => of(name)[0]!.residentBytes);
    assert(streaming! < dense! / 4);
    assertEquals(memory().allocatedBytes, held);
  } finally {
    model.close();
  }
});

Deno.test("an answer is that of a session which reads text and question by itself", async () => {
  const model = await Model.load();
  try {
    const answerer = sessionAnswerer(model, { name: "embedded" });
    const text = "The pass key is 73914. Remember it. 73914 is the pass key.";
    const question = { text: "What is the pass key?", values: ["73914"], maxTokens: 12 };
    for (const method of METHODS) {
      const reading = await answerer.read(text, method);
      const session = model.session({ attention: method });
      await session.prefill(text);
      const alone = await session.ask(question.text, { maxTokens: 12 });
      for (let twice = 0; twice < 2; twice++) {
        assertEquals((await reading.ask(question)).text, alone.text);
      }
      reading.close();
      session.close();
    }
  } finally {
    model.close();
  }
});

Deno.test("reading stops with its signal and leaves no session", async () => {
  const model = await Model.load();
  try {
    const held = memory().allocatedBytes;
    const text = "A sentence that is long enough. ".repeat(400);
    const stop = new AbortController();
    const reading = sessionAnswerer(model).read(text, methods.dense(), {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await assertRejects(() => reading, CancelledError);
    assertEquals(memory().allocatedBytes, held);
  } finally {
    model.close();
  }
});

Deno.test("sessionAnswerer() asks by the chat template only where there is one", async () => {
  const model = await Model.load();
  const answerer = sessionAnswerer(model, { chat: true });
  await assertRejects(() => answerer.read("A text.", methods.dense()), TokenizerError, "template");
  model.close();
});

const smollm2 = await testModel("smollm2");
Deno.test({
  name: "sessionAnswerer() in chat asks what session.chat() would",
  ignore: smollm2 === null,
  fn: async () => {
    const model = await Model.load(smollm2!);
    const [text, question] = ["The key of the shed is blue. The sky is grey.", "What is the key?"];
    const reading = await sessionAnswerer(model, { chat: true }).read(text, methods.dense());
    const answer = await reading.ask({ text: question, values: null, maxTokens: 12 });
    reading.close();
    const session = model.session();
    const content = `${text}\n\n${question}`;
    const chat = await session.chat([{ role: "user", content }], { maxTokens: 12, stop: ["\n"] });
    assertEquals(answer.text, chat.text);
    model.close();
  },
});
