/** Traces of real runs on a small checkpoint, read with apache-arrow and not with our own reader unless it is meant. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
} from "@std/assert";
import { BackendError, CancelledError, SessionBusyError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { HeadPlan } from "../../lib/attention/plan.ts";
import type { Session } from "../../lib/engine/session.ts";
import type { Step } from "../../lib/engine/step.ts";
import { readTrace } from "../../lib/trace/reader.ts";
import type { TraceTable } from "../../lib/trace/schema.ts";
import { TraceError } from "../../lib/trace/trace_error.ts";
import { diskFull } from "../trace/disk.ts";
import { arrowRows, type PlainRow, withFolder } from "../trace/trace_folder.ts";
import { onBackends, someIds, type TinyModel } from "./tiny_model.ts";

const NARROW = methods.retrieval({ sink: 4, window: 16, topK: 10 });

/** Runs `body` on each backend with a session of 120 tokens that writes a trace. */
function traced(
  name: string,
  body: (parts: { session: Session; folder: string; model: TinyModel }) => Promise<void>,
): void {
  onBackends(name, "llama", (model) =>
    withFolder(async (folder) => {
      const session = model.session({ attention: NARROW, chunkTokens: 50 });
      await session.trace.write(folder);
      await session.prefill(someIds(120));
      await body({ session, folder, model });
      session.close();
    }));
}

/** Rows of a table as Arrow reads them, each without the columns that are not asked for. */
async function columns(
  folder: string,
  table: TraceTable,
  ...names: string[]
): Promise<unknown[][]> {
  return (await arrowRows(folder, table)).map((row) => names.map((name) => row[name]));
}

async function generated(session: Session, maxTokens: number): Promise<Step[]> {
  const steps: Step[] = [];
  const capture = { layers: [1], heads: [0, 2], exactMass: true };
  for await (const step of session.generate({ maxTokens, temperature: 0.8, topK: 5, capture })) {
    steps.push(step);
  }
  return steps;
}

traced(
  "steps and heads hold the numbers of the Step objects",
  async ({ session, folder, model }) => {
    const steps = await generated(session, 5);
    const rows = await arrowRows(folder, "steps");
    assertEquals(rows.length, steps.length);
    steps.forEach(({ token, text, index, ms, counts, logits }, x) => {
      const { logProb, entropy, ...row } = rows[x]!;
      assertEquals<PlainRow>(row, { run: 1, step: x, index, token, text, ms, ...counts });
      const probs = softmax(logits);
      assertAlmostEquals(logProb as number, Math.log(probs[token]!), 1e-9);
      assertAlmostEquals(
        entropy as number,
        probs.reduce((sum, p) => sum - p * Math.log(p), 0),
        1e-9,
      );
    });
    const heads = await arrowRows(folder, "heads");
    assertEquals(heads.length, steps.length * model.config.layers * model.config.heads);
    for (const { run, step, layer, head, ...row } of heads) {
      const found = steps[step as number]!.retrieval(layer as number, head as number);
      const { scanned, attended, keys, mass } = found;
      assertEquals(run, 1);
      assertEquals<PlainRow>(row, { scanned, attended, keys, mass });
      assertEquals(mass === null, layer !== 1 || (head !== 0 && head !== 2));
    }
  },
);

function softmax(logits: Float32Array): number[] {
  const max = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp(logit - max));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

onBackends(
  "counts of heads sum to those of their step for every method",
  "llama",
  async (model) => {
    const dense = methods.dense();
    const all = [dense, methods.streaming({ sink: 2, window: 9 }), NARROW];
    const mixed = methods.perHead((layer, head) => all[(layer + head) % 3]!);
    for (const attention of [...all, mixed]) {
      await withFolder(async (folder) => {
        const session = model.session({ attention });
        await session.trace.write(folder);
        await session.prefill(someIds(60));
        await session.ask("why", { maxTokens: 4, stop: [] });
        await session.step();
        const heads = await arrowRows(folder, "heads");
        const steps = await arrowRows(folder, "steps");
        assertEquals(steps.length, 5);
        for (const { run, step, scanned, attended, keys } of steps) {
          const own = heads.filter((row) => row.run === run && row.step === step);
          const sum = (name: string) => own.reduce((total, row) => total + Number(row[name]), 0);
          assertEquals([sum("scanned"), sum("attended"), sum("keys")], [scanned, attended, keys]);
        }
        session.close();
      });
    }
  },
);

traced("retrieval holds the indices of every head and step", async ({ session, folder, model }) => {
  const steps = await generated(session, 4);
  const rows = await arrowRows(folder, "retrieval");
  assertEquals(rows.length, 4 * model.config.layers * model.config.heads);
  for (const { step, layer, head, indices, ms } of rows) {
    const found = steps[step as number]!.retrieval(layer as number, head as number);
    assertEquals(indices, found.indices);
    assertEquals([(indices as number[]).length, ms], [10, found.ms]);
  }
  const fork = session.fork({ attention: methods.streaming() });
  await withFolder(async (other) => {
    await fork.trace.write(other);
    await fork.step();
    assertEquals(await arrowRows(other, "retrieval"), []);
    fork.close();
  });
});

traced(
  "plans are written when they change, and say what each step did",
  async ({ session, folder, model }) => {
    const { layers, heads } = model.config;
    session.hooks.add({ at: "plan", layers: [1] }, (state) => {
      if (state.rows.start !== 122) return;
      const changed: HeadPlan = { kind: "streaming", sink: 1, window: 5 };
      state.plans = [{
        heads: state.plans[0]!.heads.map((plan, head) => head === 2 ? changed : plan),
      }];
    });
    const steps = await generated(session, 5);
    const rows = await arrowRows(folder, "plans");
    const [prefill, decode] = ["prefill", "decode"].map((phase) =>
      rows.filter((row) => row.phase === phase)
    );
    assertEquals(prefill!.length, layers * heads);
    assert(
      prefill!.every(({ run, step, index, plan }) =>
        run === 0 && step === null && index === 0 && plan === '{"kind":"dense"}'
      ),
    );
    assertEquals(decode!.length, layers * heads + 2);
    assert(decode!.every(({ plan }) => !`${plan}`.includes('"retrieved"')));
    const extra = decode!.filter(({ step }) => step !== 0);
    assertEquals(extra.map(({ step, layer, head }) => [step, layer, head]), [[3, 1, 2], [4, 1, 2]]);
    for (const [x, step] of steps.entries()) {
      for (let place = 0; place < layers * heads; place++) {
        const [layer, head] = [Math.floor(place / heads), place % heads];
        const last = decode!.findLast((row) =>
          Number(row.step) <= x && row.layer === layer && row.head === head
        );
        const { retrieved: _, ...plan } = step.plan(layer).heads[head] as HeadPlan & {
          retrieved?: unknown;
        };
        assertEquals(JSON.parse(`${last!.plan}`), plan);
        assertEquals(last!.index, 120 + Number(last!.step));
      }
    }
  },
);

traced("timing holds every chunk and every step", async ({ session, folder }) => {
  const run = session.ask("x".repeat(70), { maxTokens: 2, stop: [], template: null });
  const steps: Step[] = [];
  for await (const event of run) if (event.kind === "step") steps.push(event);
  assertEquals(await columns(folder, "timing", "run", "step", "phase", "index", "tokens"), [
    [0, null, "prefill", 0, 50],
    [0, null, "prefill", 50, 50],
    [0, null, "prefill", 100, 19],
    [1, null, "prefill", 119, 1],
    [1, null, "decode", 120, 64],
    [1, null, "decode", 184, 5],
    [1, 0, "decode", 190, 1],
    [1, 1, "decode", 191, 1],
  ]);
  const ms = (await columns(folder, "timing", "ms")).flat() as number[];
  assert(ms.every((value) => value >= 0));
  assertEquals(ms.slice(-2), steps.map((step) => step.ms));
});

traced(
  "run tells of every kind of run what it was and how it ended",
  async ({ session, folder, model }) => {
    await session.ask("what", { maxTokens: 2, stop: [] });
    await session.step();
    await session.score(someIds(5));
    await session.map(0, 0, { bins: 4 });
    for await (const state of session.layers()) state.stage;
    await session.step();
    const tokens = session.length;
    assertEquals(
      await columns(folder, "run", "run", "name", "tokensBefore", "tokensAfter", "ended"),
      [
        [0, "prefill", 0, 120, "finished"],
        [1, "ask", 120, tokens - 2, "finished"],
        [2, "step", tokens - 2, tokens - 1, "finished"],
        [3, "score", tokens - 1, tokens - 1, "finished"],
        [4, "map", tokens - 1, tokens - 1, "finished"],
        [5, "layers", tokens - 1, tokens - 1, "finished"],
        [6, "step", tokens - 1, tokens, "finished"],
      ],
    );
    const rows = await arrowRows(folder, "run");
    for (
      const { method, methodOptions, model: config, kv, backend, startedAt, ms, error } of rows
    ) {
      assertEquals([method, JSON.parse(`${methodOptions}`)], ["retrieval", { ...NARROW.options }]);
      assertEquals(JSON.parse(`${config}`), JSON.parse(JSON.stringify(model.config)));
      assertEquals([kv, backend, error], ["f32", model.backend.name, null]);
      assertLess(Math.abs(Date.now() - Date.parse(`${startedAt}`)), 60_000);
      assertGreater(ms as number, 0);
    }
  },
);

traced("a run that is stopped, left or fails is recorded as that", async ({ session, folder }) => {
  const run = session.generate({ maxTokens: 500 });
  await assertRejects(async () => {
    for await (const { index } of run) if (index === 130) run.cancel();
  }, CancelledError);
  const stopped = session.length;
  for await (const _ of session.layers()) break;
  const abort = new AbortController();
  await assertRejects(async () => {
    for await (const _ of session.layers({ signal: abort.signal })) abort.abort();
  }, CancelledError);
  const remove = session.hooks.add({ at: "output" }, () => {
    throw new Error("a hook says no");
  });
  await assertRejects(() => session.step(), Error, "a hook says no");
  await assertRejects(
    async () => {
      for await (const _ of session.layers());
    },
    Error,
    "a hook says no",
  );
  remove();
  assertEquals(await columns(folder, "run", "name", "tokensAfter", "ended", "error"), [
    ["prefill", 120, "finished", null],
    ["generate", stopped, "cancelled", null],
    ["layers", stopped, "cancelled", null],
    ["layers", stopped, "cancelled", null],
    ["step", stopped, "failed", "a hook says no"],
    ["layers", stopped, "failed", "a hook says no"],
  ]);
  assertEquals((await arrowRows(folder, "steps")).length, stopped - 120);
});

traced("the trace is readable while a run goes on", async ({ session, folder }) => {
  const seen: number[] = [];
  session.hooks.add({ at: "embed" }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { run, steps } = await readTrace(folder, { tables: ["run", "steps"] });
    if (steps.length > 0) assertEquals([run[1]!.name, run[1]!.ended], ["generate", null]);
    assertEquals(steps.length, (await arrowRows(folder, "steps")).length);
    seen.push(steps.length);
  });
  await session.generate({ maxTokens: 8 });
  assertGreater(seen.at(-1)!, 2);
  assert(seen.every((count, x) => count <= x && count >= (seen[x - 1] ?? 0)));
  assertEquals((await arrowRows(folder, "steps")).length, 8);
});

traced("flush() writes the steps so far", async ({ session, folder, model }) => {
  const other = model.session();
  await withFolder(async (place) => {
    const recording = await other.trace.write(place);
    await other.prefill(someIds(20));
    let steps = 0;
    for await (const _ of other.generate({ maxTokens: 5 })) {
      await recording.flush();
      assertGreater((await arrowRows(place, "steps")).length, steps++);
    }
    other.close();
  });
  assertEquals((await arrowRows(folder, "run")).length, 1);
  session.close();
});

traced(
  "close() of the session in the middle of a run loses no rows",
  async ({ session, folder }) => {
    let steps = 0;
    await assertRejects(async () => {
      for await (const _ of session.generate({ maxTokens: 5000 })) {
        if (++steps === 7) session.close();
      }
    }, CancelledError);
    assertEquals((await columns(folder, "run", "ended")).flat(), ["finished", "cancelled"]);
    assertGreater((await arrowRows(folder, "steps")).length, 6);
  },
);

onBackends(
  "another session continues a trace with the next run",
  "llama",
  (model) =>
    withFolder(async (folder) => {
      for (const expected of [[0, 1], [0, 1, 2, 3]]) {
        const session = model.session();
        await session.trace.write(folder);
        await session.prefill(someIds(20));
        await session.step();
        session.close();
        assertEquals((await columns(folder, "run", "run")).flat(), expected);
      }
      const [heads, plans] = [
        await columns(folder, "heads", "run"),
        await columns(folder, "plans", "run"),
      ];
      const count = model.config.layers * model.config.heads;
      assertEquals(heads.length, 2 * count);
      assertEquals(plans.flat().filter((run) => run === 3).length, count);
    }),
);

traced(
  "recording ends with close() or its scope, and the session goes on",
  async ({ session, folder }) => {
    await withFolder(async (other) => {
      await assertRejects(() => session.trace.write(other), TraceError, `writes one to ${folder}`);
      const fork = session.fork();
      {
        await using recording = await fork.trace.write(other);
        await fork.step();
        assertEquals([recording.dir, recording.recording], [other, true]);
      }
      {
        using _recording = await fork.trace.write(other);
        await fork.step();
      }
      await fork.step();
      const last = await fork.trace.write(other, { tables: ["steps"] });
      await fork.step();
      for await (const _ of fork.generate({ maxTokens: 3 })) await last.close();
      assertEquals([last.recording, last.tables], [false, ["run", "steps"]]);
      await fork.step();
      fork.close();
      assertEquals(await columns(other, "run", "run", "name", "ended"), [
        [0, "step", "finished"],
        [1, "step", "finished"],
        [2, "step", "finished"],
        [3, "generate", null],
      ]);
      const plans = (await columns(other, "plans", "run")).flat();
      assertEquals([...new Set(plans)], [0, 1]);
    });
  },
);

traced("a fork does not write its parent's trace", async ({ session, folder }) => {
  const fork = session.fork();
  await fork.step();
  fork.close();
  assertEquals((await arrowRows(folder, "run")).length, 1);
  await session.step();
  assertEquals((await arrowRows(folder, "run")).length, 2);
});

onBackends("a traced session computes what an untraced one does", "llama", async (model) => {
  const [plain, watched] = [
    model.session({ attention: NARROW }),
    model.session({ attention: NARROW }),
  ];
  await withFolder(async (folder) => {
    await watched.trace.write(folder);
    for (const session of [plain, watched]) await session.prefill(someIds(90));
    const sampling = { maxTokens: 20, temperature: 1.2, seed: 3 };
    assertEquals(await answer(watched), await answer(plain));
    assertEquals((await watched.step()).logits, (await plain.step()).logits);
    watched.close();
    async function answer(session: Session) {
      const { text, ids, reason } = await session.generate(sampling);
      return { text, ids, reason };
    }
  });
});

traced(
  "a full disk fails the run after its work and leaves the session and the trace whole",
  async ({ session, folder, model }) => {
    const plain = model.session({ attention: NARROW, chunkTokens: 50 });
    await plain.prefill(someIds(120));
    await plain.generate({ maxTokens: 30 });
    {
      using _full = diskFull({ afterBytes: 900 });
      const run = session.generate({ maxTokens: 30 });
      await assertRejects(async () => await run, TraceError, "No space left");
    }
    assertEquals(session.ids, plain.ids);
    assertEquals((await session.step()).logits, (await plain.step()).logits);
    const { run, steps, heads } = await readTrace(folder);
    assertEquals(run[0]!.ended, "finished");
    assertEquals(heads.length % (model.config.layers * model.config.heads), 0);
    assertLess(steps.length, 30);
    const again = await session.trace.write(folder);
    await session.step();
    await again.close();
    assertEquals((await readTrace(folder)).run.at(-1)!.ended, "finished");
  },
);

traced(
  "a removed directory fails the run, and the next one goes on without a trace",
  async ({ session, folder }) => {
    await Deno.remove(folder, { recursive: true });
    await assertRejects(() => session.step(), TraceError, "was removed");
    await session.step();
    assertEquals(session.length, 122);
  },
);

traced(
  "what a stopped run could not tell of its trace is told by the next, before it begins",
  async ({ session, folder }) => {
    await Deno.remove(folder, { recursive: true });
    const run = session.generate({ maxTokens: 500 });
    await assertRejects(async () => {
      for await (const { index } of run) if (index === 125) run.cancel();
    }, CancelledError);
    const { length } = session;
    await assertRejects(() => session.step(), TraceError, "was removed");
    assertEquals(session.length, length);
    await session.step();
  },
);

onBackends(
  "write() refuses a busy or closed session, and foreign files",
  "llama",
  (model) =>
    withFolder(async (folder) => {
      const session = model.session();
      const run = session.prefill(someIds(600));
      await assertRejects(() => session.trace.write(folder), SessionBusyError, "write a trace");
      await run;
      await Deno.mkdir(folder);
      await Deno.writeTextFile(`${folder}/timing.arrow`, "a table of somebody");
      await assertRejects(() => session.trace.write(folder), TraceError, "timing.arrow");
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["timing.arrow"]);
      assertEquals(await Deno.readTextFile(`${folder}/timing.arrow`), "a table of somebody");
      await session.step();
      const opening = session.trace.write(`${folder}/new`);
      await assertRejects(
        () => session.trace.write(`${folder}/other`),
        TraceError,
        "writes one to",
      );
      session.close();
      await assertRejects(() => opening, TraceError, "the session is closed");
      await assertRejects(() => session.trace.write(folder), BackendError, "session is closed");
    }),
);
