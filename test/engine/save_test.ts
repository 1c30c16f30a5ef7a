import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import {
  BackendError,
  BudgetError,
  CancelledError,
  SessionBusyError,
  SessionFileError,
} from "../../ffi/errors.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { methods } from "../../lib/attention/methods.ts";
import { Model } from "../../lib/engine/model.ts";
import { openSession, type Session } from "../../lib/engine/session.ts";
import { sessionOptions } from "../../lib/engine/session_options.ts";
import type { FileProgress } from "../../lib/engine/session_types.ts";
import { inFolder } from "../in_folder.ts";
import { assertSameFuture, digestOf, namesBeside, onFiles, restored, sectionOf } from "./saved.ts";
import { onBackends, openOr, someIds, tiny, type TinyModel } from "./tiny_model.ts";

/** Saves and restores a session that `prepare` has brought into a state, and compares the two. */
function roundTrip(
  name: string,
  prepare: (model: TinyModel) => Promise<Session>,
): void {
  onFiles(`restore() goes on as the session that was saved: ${name}`, async (model, path) => {
    const session = await prepare(model);
    const { bytes } = await session.save(path);
    assertEquals((await Deno.stat(path)).size, bytes);
    await assertSameFuture(session, await restored(model, path));
  });
}

async function prefilled(
  model: TinyModel,
  tokens: number,
  ...options: Parameters<TinyModel["session"]>
): Promise<Session> {
  const session = model.session(...options);
  await session.prefill(someIds(tokens));
  return session;
}

for (const kv of ["f32", "bf16", "int8"] as const) {
  roundTrip(`${kv}, a page and a part`, (model) => prefilled(model, 300, { kv }));
}
for (const tokens of [1, 2, 256, 257, 258]) {
  roundTrip(`${tokens} tokens`, (model) => prefilled(model, tokens, { seed: 3 }));
}

roundTrip("after a question", async (model) => {
  const attention = methods.retrieval({ sink: 2, window: 8, topK: 5 });
  const session = await prefilled(model, 60, { attention });
  await session.ask("what is it", { maxTokens: 5, temperature: 1, seed: 11 });
  return session;
});

roundTrip("amid steps", async (model) => {
  const attention = methods.streaming({ sink: 2, window: 9 });
  const session = await prefilled(model, 50, { attention, chunkTokens: 16 });
  for (let x = 0; x < 3; x++) await session.step({ temperature: 2 });
  return session;
});

roundTrip("with the last page cut", async (model) => {
  const session = await prefilled(model, 257);
  await session.map(0, 0, { bins: 4 }); // computes the last token: its page is taken back by a step
  return session;
});

roundTrip("after an aborted prefill", async (model) => {
  const session = model.session({ chunkTokens: 16 });
  for await (const { done } of session.prefill(someIds(80))) if (done >= 32) break;
  assertGreater(session.length, 31);
  return session;
});

roundTrip("after layers()", async (model) => {
  const session = await prefilled(model, 40);
  for await (const { stage } of session.layers()) assert(stage);
  return session;
});

onFiles("restore() of a fork gives the fork, not its parent", async (model, path) => {
  const session = await prefilled(model, 250);
  const fork = session.fork({ attention: methods.streaming({ sink: 1, window: 20 }) });
  await session.generate({ maxTokens: 9, temperature: 1 });
  await fork.prefill(someIds(30, 4));
  await fork.save(path);
  await session.generate({ maxTokens: 3 });
  const copy = await restored(model, path);
  assertEquals(copy.attention.options, { sink: 1, window: 20 });
  await assertSameFuture(fork, copy);
});

onFiles("restore() of an empty session gives an empty session", async (model, path) => {
  await model.session({ seed: 5, contextTokens: 70 }).save(path);
  const copy = await restored(model, path);
  const fresh = model.session({ seed: 5, contextTokens: 70 });
  for (const session of [copy, fresh]) await session.prefill(someIds(20));
  await assertSameFuture(fresh, copy);
});

onFiles("restore() keeps the rotary frequencies of the context", async (model, path) => {
  const scaling = { type: "dynamic", factor: 4, originalMaxPositions: 16 } as const;
  const config = { ...model.config, rope: { ...model.config.rope, scaling } };
  const other = { ...model, config };
  const session = openSession(other, sessionOptions({ kv: "f32" }));
  await session.prefill(someIds(60));
  await session.save(path);
  await assertSameFuture(session, await restored(other, path));
});

onFiles("restore() finishes a character that was half streamed", async (model, path) => {
  // Says two tokens at a time.
  const stream = () => {
    const held: number[] = [];
    return {
      push(id: number): string {
        held.push(id);
        return held.length < 2 ? "" : held.splice(0).join("+");
      },
      flush: () => held.splice(0).join("+"),
    };
  };
  const other = { ...model, tokenizer: { ...model.tokenizer, stream } };
  const session = openSession(other, sessionOptions({ kv: "f32" }));
  await session.prefill(someIds(20));
  const texts = [(await session.step()).text];
  await session.save(path);
  const copy = await restored(other, path);
  texts.push((await copy.step()).text);
  assertEquals(texts, ["", Array.from(copy.ids.slice(-2)).join("+")]);
});

Deno.test("restore() forgets half a character that a generation has given up", async () => {
  await inFolder(async (folder) => {
    const model = await Model.load(undefined, { onNotice: () => {} });
    const session = model.session();
    await session.prefill("Once");
    const bytes = model.tokenizer.encode("🙂");
    assertEquals(bytes.length, 4);
    const say = (session: Session, byte: number) =>
      session.hooks.add({ at: "logits" }, (state) => {
        const logits = state.read("logits");
        logits[bytes[byte++ % 4]!] = 1e9;
        state.write("logits", logits);
      });
    say(session, 0);
    assertEquals((await session.generate({ maxTokens: 2 })).text, "\ufffd");
    await session.save(`${folder}/a`);
    const copies = [session.fork(), await model.restore(`${folder}/a`)];
    for (const copy of copies) say(copy, 2);
    for (let step = 0; step < 4; step++) {
      const { text } = await session.step();
      for (const copy of copies) assertEquals((await copy.step()).text, text);
    }
    model.close();
  });
});

onFiles("restore() takes options that keys and values do not depend on", async (model, path) => {
  const session = await prefilled(model, 40, { kv: "bf16" });
  await session.save(path);
  const attention = methods.streaming({ sink: 1, window: 5 });
  const copy = await restored(model, path, { attention, seed: 9 });
  assertEquals((await copy.step()).retrieval(0, 0).attended, 6);
  await assertRejects(() => restored(model, path, { kv: "f32" }), SessionFileError, "bf16");
  await assertRejects(() => restored(model, path, { contextTokens: 7 }), SessionFileError, "40");
  await assertRejects(() => restored(model, path, { seed: 0.5 }), RangeError, "seed");
});

onFiles("restore() demands a method that is not in the file", async (model, path) => {
  const dense = methods.dense();
  for (const attention of [methods.perHead(() => dense), { ...methods.streaming() }]) {
    const session = await prefilled(model, 30, { attention });
    await session.save(path);
    const error = await assertRejects(() => restored(model, path), SessionFileError, "attention");
    assert((error as Error).message.endsWith(`"${attention.name}"`));
    await assertSameFuture(session, await restored(model, path, { attention }));
  }
});

onFiles("restore() refuses what does not fit and allocates nothing", async (model, path) => {
  const session = await prefilled(model, 300);
  await session.save(path);
  const before = model.backend.allocatedBytes();
  const { kvBytes } = session.memory();
  await assertRejects(() => restored(model, path, { memoryBytes: 0.9 * kvBytes }), BudgetError);
  assertEquals(model.backend.allocatedBytes(), before);
});

onFiles("save() keeps the old file until the new one is whole", async (model, path) => {
  const session = await prefilled(model, 40);
  await session.save(path);
  const old = session.fork();
  await session.generate({ maxTokens: 4 });
  let events = 0;
  for await (const { done, total } of session.save(path)) {
    events++;
    assertEquals(done, total);
    await assertSameFuture(old, await restored(model, path));
  }
  assertEquals(events, 1);
  await assertSameFuture(session, await restored(model, path));
});

onFiles("save() and other runs of a session exclude each other", async (model, path) => {
  const session = await prefilled(model, 40);
  const saving = session.save(path);
  await assertRejects(async () => await session.step(), SessionBusyError, "save");
  await saving;
  const reading = session.prefill(someIds(40));
  await assertRejects(async () => await session.save(path), SessionBusyError, "prefill");
  await reading;
  const walk = session.layers();
  await walk.next();
  await assertRejects(async () => await session.save(path), SessionBusyError, "layers");
  await walk.return();
});

onFiles("save() that is stopped leaves no file", async (model, path) => {
  const stops: ((session: Session) => Promise<unknown>)[] = [
    async (session) => await session.save(path, { signal: AbortSignal.abort() }),
    async (session) => {
      const run = session.save(path);
      for await (const _ of run) break;
      await run;
    },
    async (session) => {
      const run = session.save(path);
      for await (const _ of run) session.close();
      await run;
    },
  ];
  for (const stop of stops) {
    const session = await prefilled(model, 40);
    await assertRejects(() => stop(session), CancelledError);
    assertEquals(namesBeside(path), []);
    session.close();
  }
});

onFiles("save() that fails leaves old file and session alone", async (model, path) => {
  const session = await prefilled(model, 40);
  await Deno.mkdir(`${path}.folder`);
  for (const wrong of [`${path}.absent/a`, `${path}.folder`, `/proc/${crypto.randomUUID()}`]) {
    await assertRejects(async () => await session.save(wrong), SessionFileError, wrong);
  }
  await assertRejects(async () => await session.save(new URL("http://a.b/c")), TypeError);
  assertEquals(namesBeside(path), ["a.session.folder"]);
  await session.save(path);
  await assertSameFuture(session, await restored(model, path));
});

onFiles("save() of what no reader would take keeps the old file", async (model, path) => {
  const session = await prefilled(model, 20);
  await session.save(path);
  const attention = { ...methods.dense(), name: "x".repeat(2 ** 24) };
  const other = session.fork({ attention });
  await assertRejects(async () => await other.save(path), SessionFileError, "16777216 bytes");
  await assertSameFuture(session, await restored(model, path));
});

onFiles("save() into a link replaces what it points to", async (model, path) => {
  const session = await prefilled(model, 20);
  await Deno.writeTextFile(path, "old");
  await Deno.symlink(path, `${path}.link`);
  assertEquals((await session.save(`${path}.link`)).path, `${path}.link`);
  assert((await Deno.lstat(`${path}.link`)).isSymlink);
  await assertSameFuture(session, await restored(model, path));
});

onFiles("save() removes what killed writers left, and nothing else", async (model, path) => {
  const session = await prefilled(model, 20);
  const part = () => `${path}.${crypto.randomUUID()}.tmp`;
  const [left, written] = [part(), part()];
  for (const name of [left, written, `${path}.notes.tmp`]) await Deno.writeTextFile(name, "x");
  using writer = await Deno.open(written, { write: true });
  await writer.lock(true);
  await session.save(path);
  const kept = [path, written, `${path}.notes.tmp`].map((name) => name.split("/").at(-1)!);
  assertEquals(namesBeside(path), kept.sort());
});

onFiles(
  "save() writes ids and positions so that any program can read them",
  async (model, path) => {
    const session = await prefilled(model, 300, { kv: "bf16" });
    await session.save(path);
    const file = await Deno.readFile(path);
    assertEquals(new Int32Array(sectionOf(file, "ids").buffer), session.ids);
    const positions = Float32Array.from({ length: 299 }, (_, position) => position);
    for (let layer = 0; layer < model.config.layers; layer++) {
      assertEquals(new Float32Array(sectionOf(file, `positions.${layer}`).buffer), positions);
    }
  },
);

/** Saves two sessions to one path at once: whichever ends last stays, whole, and nothing beside it. */
async function savedAtOnce(long: Session, short: Session, path: string): Promise<void> {
  const wanted: string[] = [];
  for (const session of [long, short]) {
    await session.save(path);
    wanted.push(digestOf(path));
  }
  await Promise.all([long.save(path), short.save(path)]);
  assert(wanted.includes(digestOf(path)));
  assertEquals(namesBeside(path), ["a"]);
}

Deno.test("save() and restore() go block by block through a long session", async () => {
  const backend = await openOr("cpu");
  if (!backend) return console.log("skipped: no cpu backend here");
  const model = await tiny("llama", backend);
  await inFolder(async (folder) => {
    const attention = methods.streaming({ sink: 1, window: 16 });
    const session = await prefilled(model, 66_000, { attention });
    await savedAtOnce(session, await prefilled(model, 20), `${folder}/a`);
    const events: FileProgress[] = [];
    for await (const event of session.save(`${folder}/a`)) events.push(event);
    const copy = await restored(model, `${folder}/a`, {}, (event) => events.push(event));
    assertEquals(events.length, 6);
    for (const run of [events.slice(0, 3), events.slice(3)]) {
      assert(run.every(({ done }, x) => x === 0 || done > run[x - 1]!.done));
      assertEquals(run.at(-1)!.done, run.at(-1)!.total);
    }
    await copy.save(`${folder}/b`);
    assertEquals(digestOf(`${folder}/b`), digestOf(`${folder}/a`));
  });
  model.close();
});

Deno.test("restore() takes what another backend has saved", async () => {
  const backend = await openOr("cpu");
  if (!backend) return console.log("skipped: no cpu backend here");
  const [model, other] = [
    await tiny("qwen3", backend),
    await tiny("qwen3", openReferenceBackend()),
  ];
  await inFolder(async (folder) => {
    for (const kv of ["f32", "bf16", "int8"] as const) {
      const session = await prefilled(model, 300, { kv });
      await session.save(`${folder}/a`);
      const copy = await restored(other, `${folder}/a`);
      await copy.save(`${folder}/b`);
      assertEquals(digestOf(`${folder}/b`), digestOf(`${folder}/a`));
    }
  });
  model.close();
  other.close();
});

Deno.test("Model.restore() restores in a model that was loaded again", async () => {
  await inFolder(async (folder) => {
    const path = new URL(`file://${folder}/a.session`);
    const model = await Model.load(undefined, { onNotice: () => {} });
    const session = model.session({ attention: methods.retrieval({ topK: 4, window: 8 }) });
    await session.prefill("The pass key is 7421. Remember it.");
    await session.save(path);
    const answer = await session.ask("What is the pass key?", { maxTokens: 8 });
    model.close();
    const again = await Model.load(undefined, { onNotice: () => {} });
    const copy = await again.restore(path);
    assertEquals((await copy.ask("What is the pass key?", { maxTokens: 8 })).ids, answer.ids);
    const stopped = again.restore(path);
    again.close();
    await assertRejects(async () => await stopped, CancelledError);
    await assertRejects(async () => await again.restore(path), BackendError, "closed");
  });
});

onBackends("save() of a closed session is refused", "llama", async (model) => {
  const session = model.session();
  session.close();
  await assertRejects(async () => await session.save("a"), BackendError, "closed");
});
