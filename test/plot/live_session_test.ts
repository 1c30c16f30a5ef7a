/** The live view and the progress bar on sessions of a real, tiny model. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import { showLive } from "../../lib/plot/live.ts";
import { bytesText, grouped } from "../../lib/plot/draw/number_text.ts";
import { showProgress } from "../../lib/plot/progress.ts";
import { onBackends, someIds } from "../engine/tiny_model.ts";
import { FakeJupyter } from "./fake_run.ts";
import { parsed } from "./inert.ts";

onBackends("progress() follows prefill()", "llama", async (model) => {
  const session = model.session({ chunkTokens: 16 });
  const jupyter = new FakeJupyter();
  const { tokens } = await showProgress(session.prefill(someIds(100)), {}, jupyter.outlet());
  assertEquals(tokens, 100);
  assertStringIncludes(jupyter.last["text/plain"]!, "100 %  Reading: 99 tokens");
});

onBackends("live() follows ask() with a retrieval method", "llama", async (model) => {
  const attention = methods.retrieval({ sink: 4, window: 16, topK: 10 });
  const session = model.session({ attention });
  await session.prefill(someIds(300));
  const jupyter = new FakeJupyter();
  const run = session.ask("what", { maxTokens: 5, stop: [], template: null });
  const { text, ids, figure } = await showLive(run, { width: 500 }, jupyter.outlet());
  assertEquals(ids.length, 5);
  const heads = model.config.layers * model.config.heads;
  const keys = heads * (304 + 305 + 306 + 307 + 308);
  const html = await figure.html();
  assertStringIncludes(html, `${grouped(heads * 5 * 10)} of ${grouped(keys)} query-key pairs`);
  assertStringIncludes(html, `${grouped(heads * 5 * 30)} of ${grouped(keys)} query-key pairs`);
  assertStringIncludes(html, `mean of ${heads} heads`);
  const { kvBytes, tokens } = session.memory();
  assertStringIncludes(html, `${bytesText(kvBytes)} for ${grouped(tokens)} tokens`);
  const shown = [...parsed(html).querySelectorAll(".ll-text bdi")];
  assertEquals(shown.length, 4 + 5);
  assert(shown.map((token) => token.textContent).join("").endsWith(text.at(-1)!));
});

onBackends("live() of a stopped generate() leaves a usable session", "qwen2", async (model) => {
  const session = model.session();
  await session.prefill(someIds(40));
  const jupyter = new FakeJupyter();
  const run = session.generate({ maxTokens: 100_000 });
  const watched = showLive(run, {}, jupyter.outlet());
  setTimeout(() => run.cancel(), 50);
  await assertRejects(() => watched, CancelledError);
  assertStringIncludes(jupyter.last["text/html"]!, "\u25a0 stopped");
  await session.step();
});
