/** What can be asked of a generation that has started: attention rows, and the session's texts and memory. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Step } from "../../lib/engine/step.ts";
import { methods } from "../../lib/attention/methods.ts";
import { onBackends, someIds, type TinyModel } from "./tiny_model.ts";

async function readSession(model: TinyModel) {
  const session = model.session();
  await session.prefill(someIds(40));
  return session;
}

async function stepsOf(run: AsyncIterable<{ kind: string }>): Promise<Step[]> {
  const steps: Step[] = [];
  for await (const event of run) if (event.kind === "step") steps.push(event as Step);
  return steps;
}

onBackends("capture of a started generate() holds from its first step", "llama", async (model) => {
  const session = await readSession(model);
  const whole = session.fork();
  const run = session.generate({ maxTokens: 3 });
  assertEquals(run.capture, undefined);
  run.capture ??= { layers: [1], heads: [0, 2] };
  const steps = await stepsOf(run);
  const heads = [{ layer: 1, head: 0 }, { layer: 1, head: 2 }];
  assertEquals(steps.map(({ captured }) => captured), [heads, heads, heads]);
  assertThrows(() => steps[0]!.attention(0, 0), RangeError, "was not captured");
  const [first] = await stepsOf(whole.generate({ maxTokens: 1, capture: {} }));
  assertEquals(steps[0]!.attention(1, 2), first!.attention(1, 2));
});

onBackends("capture of a started ask() holds from its first step", "qwen2", async (model) => {
  const run = (await readSession(model)).ask("what", { maxTokens: 2, stop: [] });
  run.capture ??= { layers: [0], heads: [1] };
  const steps = await stepsOf(run);
  assertEquals(steps.map(({ captured }) => captured.length), [1, 1]);
});

onBackends("capture ??= leaves what the caller asked for", "llama", async (model) => {
  const session = await readSession(model);
  const run = session.generate({ maxTokens: 1, capture: { layers: [0], heads: [3] } });
  run.capture ??= {};
  const [step] = await stepsOf(run);
  assertEquals(step!.captured, [{ layer: 0, head: 3 }]);
});

onBackends("capture that changes on the way holds from the next step", "llama", async (model) => {
  const run = (await readSession(model)).generate({ maxTokens: 20 });
  const counts: number[] = [];
  for await (const step of run) {
    counts.push(step.captured.length);
    run.capture = counts.length % 2 === 1 ? { layers: [0] } : undefined;
  }
  assertEquals(counts[0], 0);
  assertEquals([...new Set(counts)].sort(), [0, model.config.heads]);
});

onBackends(
  "capture set late leaves a step that layers() computed without rows",
  "llama",
  async (model) => {
    const session = await readSession(model);
    const walked = async () => {
      for await (const _ of session.layers());
    };
    await walked();
    const run = session.generate({ maxTokens: 2 });
    run.capture ??= { layers: [0], heads: [0] };
    const steps = await stepsOf(run);
    assertEquals(steps.map(({ captured }) => captured.length), [0, 1]);
    await walked();
    await assertRejects(
      async () => await session.generate({ maxTokens: 2, capture: {} }),
      RangeError,
      "layers({ capture })",
    );
  },
);

onBackends("source tells texts, method and memory of the session", "llama", async (model) => {
  const session = model.session({ attention: methods.streaming({ sink: 2, window: 8 }) });
  await session.prefill(someIds(30));
  const run = session.generate({ maxTokens: 4 });
  await run;
  assertEquals(run.source.method, "streaming");
  assertEquals(run.source.tokens(0, 99), session.tokens);
  assertEquals(run.source.tokens(28, 33), session.tokens.slice(28, 33));
  assertEquals(run.source.memory(), session.memory());
});

onBackends("a run gives its past to the first who iterates", "llama", async (model) => {
  const run = (await readSession(model)).generate({ maxTokens: 5 });
  await run;
  assertEquals((await stepsOf(run)).length, 5);
  assertEquals((await stepsOf(run)).length, 0);
});

onBackends("a run gives every event to all who iterate from the start", "llama", async (model) => {
  const run = (await readSession(model)).generate({ maxTokens: 5 });
  const [one, other] = await Promise.all([stepsOf(run), stepsOf(run)]);
  assertEquals(one.length, 5);
  assertEquals(other, one);
});
