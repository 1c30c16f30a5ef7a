import { assertAlmostEquals } from "@std/assert";
import { Model } from "../../lib/engine/model.ts";
import { bitsPerByte } from "../../lib/eval/bits_per_byte.ts";

const TEXT = "A bright wind kept the whaler in port for a whole week. Nobody minded. ".repeat(4);

Deno.test("bitsPerByte() adds up the windows of a text", async () => {
  const model = await Model.load();
  const ids = model.tokenizer.encode(TEXT);
  let nats = 0;
  for (let start = 0; start < ids.length; start += 20) {
    const session = model.session();
    const window = Int32Array.of(model.tokenizer.bosId!, ...ids.subarray(start, start + 20));
    for (let x = 1; x < window.length; x++) {
      const fork = session.fork();
      await fork.prefill(window.subarray(0, x));
      const { logits } = await fork.step();
      const lse = Math.log(logits.reduce((sum, score) => sum + Math.exp(score), 0));
      nats += lse - logits[window[x]!]!;
      fork.close();
    }
    session.close();
  }
  const expected = nats / Math.LN2 / new TextEncoder().encode(TEXT).length;
  assertAlmostEquals(await bitsPerByte(model, TEXT, { window: 20 }), expected, 0.01);
  model.close();
});
