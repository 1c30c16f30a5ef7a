import { assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { ModelFormatError } from "../../ffi/errors.ts";
import { Model } from "../../lib/engine/model.ts";
import { fixture, readExpected } from "../model/fixtures.ts";
import { testModel } from "../model/gguf/test_models.ts";

/** As in parity_test.ts. */
const TOLERANCE = 2e-3;
const FILES = {
  gemma3: "gemma3.gguf",
  llama: "llama.gguf",
  llama_yarn: "llama_yarn.gguf",
  mistral_window: "mistral_window.gguf",
  qwen2: "qwen2-00002-of-00002.gguf",
  phi3: "phi3.gguf",
  phi3_window: "phi3_window.gguf",
};
const F32 = { weights: "f32", kv: "f32", compute: "f32" } as const;

async function lastLogits(model: Model, ids: Int32Array): Promise<Float32Array> {
  const session = model.session({ contextTokens: ids.length });
  await session.prefill(ids);
  const { logits } = await session.step();
  session.close();
  return logits;
}

for (const [name, file] of Object.entries(FILES)) {
  Deno.test(`Model.load() of ${file} has the logits of transformers`, async () => {
    const model = await Model.load(fixture(`gguf/${file}`), { precision: F32 });
    for (
      const { ids, logits, rows } of await readExpected(fixture(`${name}/expected.safetensors`))
    ) {
      const { vocab } = model.config;
      const found = await lastLogits(model, ids);
      const expected = logits.subarray((rows - 1) * vocab);
      for (const [id, logit] of found.entries()) {
        assertLessOrEqual(Math.abs(logit - expected[id]!), TOLERANCE);
      }
    }
    model.close();
  });
}

Deno.test("Model.load() of any part of a split model is the same model", async () => {
  const [first, second] = await Promise.all(
    ["00001", "00002"].map((part) => Model.load(fixture(`gguf/qwen2-${part}-of-00002.gguf`))),
  );
  assertEquals(first!.path, second!.path);
  assertEquals(first!.sizeBytes, second!.sizeBytes);
  first!.close();
  second!.close();
});

Deno.test("Model.load() of a GGUF file has its tokenizer and chat template", async () => {
  const model = await Model.load(fixture("gguf/llama.gguf"));
  const { text, ids } = await model.tokenizer.chatTemplate.render([{ role: "a", content: "b" }]);
  assertEquals(text, "a: b\n");
  assertEquals(model.tokenizer.decode(ids), "a: b");
  model.close();
});

for (const name of ["smollm2", "gemma3"] as const) {
  const path = await testModel(name);
  Deno.test({
    name: `Model.load() refuses to quantise what is quantised: ${name}`,
    ignore: path === null,
    fn: async () => {
      const load = () => Model.load(path!, { precision: { weights: "q8" } });
      await assertRejects(load, ModelFormatError, "quantised weights cannot become q8_0");
    },
  });
}
