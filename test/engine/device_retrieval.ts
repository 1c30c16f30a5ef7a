/**
 * Sessions with retrieval on a device, beside the same on the CPU, both in f32: a device attends while the CPU searches, and
 * its indexes are over copies of keys.
 */
import { assert, assertEquals } from "@std/assert";
import type { Backend } from "../../ffi/backend.ts";
import { openBackend } from "../../ffi/open.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { RetrievalOptions } from "../../lib/attention/retrieval.ts";
import type { Session } from "../../lib/engine/session.ts";
import type { SessionOptions } from "../../lib/engine/session_types.ts";
import { inFolder } from "../in_folder.ts";
import { restored } from "./saved.ts";
import { maxDifference, someIds, tiny, type TinyModel } from "./tiny_model.ts";

const STATIC = { sink: 3, window: 8, batch: 4 } as const;
/** More than a page. */
const TEXT = someIds(280);
const QUESTION = someIds(5, 3);
const KINDS = ["graph", "clusters", "flat4", "pages", "exact"] as const;
/** The same sums in another order. */
const TOLERANCE = 1e-4;

/** What a session answers: logits, and the keys that each head found. */
interface Answer {
  readonly logits: readonly Float32Array[];
  readonly found: readonly (readonly number[])[];
}

/** Runs a test with the same model on both backends. */
type OnBoth = (
  name: string,
  body: (models: { readonly device: TinyModel; readonly cpu: TinyModel }) => Promise<void>,
) => void;

/** Registers the tests; their names begin with `name`. What `during` makes is there while one runs. */
export function deviceRetrievalSuite(
  name: string,
  open: () => Promise<Backend>,
  during: () => Disposable = () => ({ [Symbol.dispose]() {} }),
): void {
  const onBoth: OnBoth = (what, body) =>
    Deno.test(`${name}: ${what}`, async () => {
      using _during = during();
      const device = await tiny("llama", await open());
      const cpu = await tiny("llama", await openBackend({ backend: "cpu", compute: "f32" }));
      try {
        await body({ device, cpu });
      } finally {
        device.close();
        cpu.close();
      }
    });
  for (const index of KINDS) {
    onBoth(`retrieval by ${index} finds the CPU's keys and answers alike`, async (models) => {
      for (const tail of ["none", "clusters"] as const) {
        await assertAlike(models, { index, tail, topK: 6 });
      }
    });
  }
  onBoth("retrieval by a mass keeps the CPU's keys", async (models) => {
    await assertAlike(models, { index: "flat4", topK: 60, mass: 0.7 });
  });
  onBoth("retrieval with modes of heads answers as the CPU does", async (models) => {
    const heads = models.cpu.config.windows.map((_, layer) =>
      Array.from(
        { length: models.cpu.config.heads },
        (_, head) => (["index", "tail", "dense", "streaming"] as const)[(layer + head) % 4]!,
      )
    );
    await assertAlike(models, { index: "flat4", topK: 6, tail: "clusters", heads });
  });
  for (const kv of ["bf16", "int8"] as const) {
    onBoth(`retrieval over ${kv} keys finds the CPU's keys`, async (models) => {
      await assertAlike(models, { index: "flat4", topK: 6 }, { kv });
    });
  }
  onBoth("retrieval over keys of the slow tier finds the CPU's keys", async (models) => {
    await assertAlike(models, { index: "graph", topK: 6 }, { kvTier: "slow" });
  });
  onBoth("forks go their own ways, and a shorter text is searched anew", async ({ device }) => {
    const session = sessionOf(device, { index: "flat4", topK: 6 });
    await session.prefill(TEXT);
    const fork = session.fork();
    for (let step = 0; step < 6; step++) await session.step();
    const alone = sessionOf(device, { index: "flat4", topK: 6 });
    await alone.prefill(TEXT);
    assertEquals(await answer(fork), await answer(alone));
  });
  onBoth("a session that was saved on either goes on as it was", async ({ device, cpu }) => {
    await inFolder(async (folder) => {
      for (const model of [device, cpu]) {
        const options = { index: "graph", topK: 6, tail: "clusters" } as const;
        const session = sessionOf(model, options);
        await session.prefill(TEXT);
        await session.step();
        await session.save(`${folder}/saved`);
        const again = await restored(device, `${folder}/saved`);
        assertClose(await answer(again), await answer(session));
      }
    });
  });
  onBoth("memory() counts the copies of keys with the indexes", async ({ device, cpu }) => {
    const bytes = [];
    for (const model of [device, cpu]) {
      const session = sessionOf(model, { index: "flat4", topK: 6 });
      await session.prefill(TEXT);
      const { indexBytes, kvBytes } = session.memory();
      bytes.push(indexBytes - (model === device ? kvBytes : 0));
    }
    assertEquals(bytes[0], bytes[1]);
  });
}

function sessionOf(
  model: TinyModel,
  options: RetrievalOptions,
  more: Partial<SessionOptions> = {},
): Session {
  const attention = methods.retrieval({ ...STATIC, ...options });
  return model.session({ attention, querySamples: 4096, ...more });
}

/** A question of several tokens and steps behind it, so that keys leave the window and are taken in. */
async function answer(session: Session): Promise<Answer> {
  const logits: Float32Array[] = [];
  const found: number[][] = [];
  await session.prefill(QUESTION);
  for (let x = 0; x < 6; x++) {
    const step = await session.step({ temperature: 0 });
    logits.push(step.logits);
    for (const layer of session.indexes().map(({ layer }) => layer)) {
      step.plan(layer).heads.forEach((_, head) => {
        found.push([...step.retrieval(layer, head).indices]);
      });
    }
  }
  return { logits, found };
}

async function assertAlike(
  { device, cpu }: { readonly device: TinyModel; readonly cpu: TinyModel },
  options: RetrievalOptions,
  more: Partial<SessionOptions> = {},
): Promise<void> {
  const answers = [];
  for (const model of [device, cpu]) {
    const session = sessionOf(model, options, more);
    await session.prefill(TEXT);
    answers.push(await answer(session));
    session.close();
  }
  assertClose(answers[0]!, answers[1]!);
}

function assertClose(found: Answer, wanted: Answer): void {
  assertEquals(found.found, wanted.found);
  found.logits.forEach((logits, step) => {
    const off = maxDifference(logits, wanted.logits[step]!);
    assert(off < TOLERANCE, `step ${step}: ${off}`);
  });
}
