/** Indexes of a session whose head file says that some layers ask none. */
import { assert, assertEquals } from "@std/assert";
import { methods } from "../../lib/attention/methods.ts";
import type { RetrievalOptions } from "../../lib/attention/retrieval.ts";
import type { Method } from "../../lib/attention/method.ts";
import type { Session } from "../../lib/engine/session.ts";
import { onFiles, restored } from "./saved.ts";
import { onBackends, someIds, type TinyModel } from "./tiny_model.ts";

const TEXT = someIds(90);
const STATIC = { sink: 3, window: 8, batch: 4, topK: 5, tail: "clusters" } as const;
type Modes = NonNullable<RetrievalOptions["heads"]>;

/** Modes of the layers, one for all heads of each: layers that are not said stream. */
function modesOf({ config }: TinyModel, ...said: readonly string[]): Modes {
  return Array.from(
    { length: config.layers },
    (_, layer) => Array(config.heads).fill(said[layer] ?? "streaming"),
  );
}

/** The same method, with its index in every layer. */
function everywhere(method: Method, options: RetrievalOptions): Method {
  const [wish] = methods.retrieval({ ...options, heads: null }).indexes!;
  return {
    ...method,
    indexes: [wish!],
    indexesOf: () => [wish!],
    planDecode: (context) => {
      const { search } = context;
      return method.planDecode({
        ...context,
        search: (request) => search({ ...request, wish: wish! }),
      });
    },
  };
}

async function prefilled(model: TinyModel, attention: Method): Promise<Session> {
  const session = model.session({ attention, querySamples: 4096 });
  await session.prefill(TEXT);
  return session;
}

/** Logits behind a text that is appended, long enough that keys leave the window. */
async function answer(session: Session): Promise<Float32Array[]> {
  const logits: Float32Array[] = [];
  await session.prefill(someIds(30, 5));
  for (let step = 0; step < 12; step++) logits.push((await session.step()).logits);
  return logits;
}

const places = (session: Session) => session.indexes().map(({ layer, kind }) => ({ layer, kind }));

onBackends("a layer where no head asks has no index, and answers stay", "llama", async (model) => {
  for (const index of ["exact", "flat4", "graph", "clusters"] as const) {
    const options = { ...STATIC, index };
    const heads = modesOf(model, "index", "streaming");
    const method = methods.retrieval({ ...options, heads });
    const session = await prefilled(model, method);
    const whole = await prefilled(model, everywhere(method, options));
    assertEquals(places(session), [{ layer: 0, kind: index }]);
    assertEquals(places(whole).length, model.config.layers);
    assert(session.memory().indexBytes < whole.memory().indexBytes);
    const fork = session.fork();
    const wanted = await answer(whole);
    for (const some of [session, fork]) {
      assertEquals(await answer(some), wanted);
      assertEquals(places(some), [{ layer: 0, kind: index }]);
    }
    for (const some of [session, fork, whole]) some.close();
  }
});

onBackends("a layer with tails alone has the clusters of these", "llama", async (model) => {
  const options = { ...STATIC, index: "flat4" } as const;
  const heads = modesOf(model, "tail", "index");
  const method = methods.retrieval({ ...options, heads });
  const session = await prefilled(model, method);
  assertEquals(places(session), [{ layer: 0, kind: "exact" }, { layer: 1, kind: "flat4" }]);
  const whole = await prefilled(model, everywhere(method, options));
  const [first, second] = whole.indexes();
  const bytes = session.indexes().map(({ bytes }) => bytes);
  assert(bytes[0]! > 0 && bytes[0]! < first!.bytes);
  assertEquals(bytes[1], second!.bytes);
  assertEquals(await answer(session), await answer(whole));
});

onBackends("no index is built for keys that nothing asks for", "llama", async (model) => {
  const streaming = { ...STATIC, index: "graph", heads: modesOf(model) } as const;
  const none = await prefilled(model, methods.retrieval(streaming));
  assertEquals(none.indexes(), []);
  assertEquals(await none.buildIndexes(), []);
  const tails = await prefilled(model, methods.retrieval({ ...STATIC, index: "graph", topK: 0 }));
  assert(tails.indexes().every(({ kind }) => kind === "exact"));
});

onFiles("a restored session has the indexes of the layers that ask", async (model, path) => {
  const options = { ...STATIC, index: "flat4" } as const;
  const method = methods.retrieval({ ...options, heads: modesOf(model, "index", "tail") });
  const session = await prefilled(model, method);
  await session.save(path);
  const copy = await restored(model, path, { attention: method });
  assertEquals(places(copy), places(session));
  assertEquals(await answer(copy), await answer(session));
  copy.close();
  const whole = await prefilled(model, everywhere(method, options));
  await whole.save(path);
  const part = await restored(model, path, { attention: method });
  assertEquals(places(part), [{ layer: 0, kind: "flat4" }]); // of layer 1 only the tail is wanted
  await answer(part);
  assertEquals(places(part), places(session));
});
