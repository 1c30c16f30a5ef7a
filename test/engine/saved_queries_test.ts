/** Queries that a prefill has kept, in files of sessions. */
import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { SessionFileError } from "../../ffi/errors.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { Session } from "../../lib/engine/session.ts";
import { assertSameFuture, digestOf, forged, onFiles, redigest, restored } from "./saved.ts";
import { someIds, type TinyModel } from "./tiny_model.ts";

const MOST = 16;

async function prefilled(model: TinyModel, querySamples = MOST): Promise<Session> {
  const attention = methods.retrieval({ index: "graph", sink: 2, window: 8, batch: 4, topK: 5 });
  const session = model.session({ attention, querySamples });
  await session.prefill(someIds(60));
  return session;
}

onFiles("a graph that a restored session builds anew follows all queries", async (model, path) => {
  const session = await prefilled(model);
  await session.save(path);
  const copy = await restored(model, path);
  await copy.save(`${path}.again`);
  assertEquals(digestOf(`${path}.again`), digestOf(path));
  const [asked] = session.indexes();
  for (const some of [session, copy]) await some.prefill(someIds(90, 3));
  assertGreater(copy.indexes()[0]!.keys, 2 * asked!.keys);
  assertEquals(copy.indexes()[0]!.appended, 0);
  await assertSameFuture(session, copy);
});

onFiles("restore() keeps as many queries as it is told", async (model, path) => {
  const session = await prefilled(model, Infinity);
  await session.save(path);
  const bytes = session.memory().indexBytes;
  const [all, some, none] = [
    await restored(model, path),
    await restored(model, path, { querySamples: 15 }),
    await restored(model, path, { attention: methods.dense() }),
  ];
  const { layers, heads, dim } = model.config;
  // The last token has not passed through the model yet.
  assertEquals(all.memory().indexBytes, bytes);
  assertEquals(bytes - some.memory().indexBytes, (59 - 15) * layers * heads * dim * 4);
  const indexBytes = session.indexes().reduce((sum, { bytes }) => sum + bytes, 0);
  assertEquals(none.memory().indexBytes, indexBytes);
  for (const copy of [all, some, none]) copy.close();
});

onFiles("restore() reads a file of before queries were saved", async (model, path) => {
  const session = await prefilled(model);
  await session.save(path);
  const file = await Deno.readFile(path);
  await Deno.writeFile(path, withoutQueries(file, model, (content) => delete content.queries));
  const copy = await restored(model, path);
  assertEquals(copy.indexes(), session.indexes().map((stats) => ({ ...stats, appendMs: 0 })));
  copy.close();
});

// deno-lint-ignore no-explicit-any
type Json = any;

/** A file without the sections of queries, which are the last. */
function withoutQueries(
  file: Uint8Array,
  { config: { layers, heads, dim } }: TinyModel,
  edit: (content: Json) => void,
): Uint8Array {
  const bytes = layers * 4 * (MOST - 1) * (1 + heads * dim);
  const shorter = forged(file, ({ content, sections }) => {
    sections.length = sections.findIndex(({ name }: Json) => name.startsWith("queries."));
    edit(content);
  });
  return shorter.subarray(0, -bytes);
}

const FORGERIES: readonly [message: string, edit: (header: Json, data: Uint8Array) => void][] = [
  ["queries.layers.0.stride is not valid", ({ content }) => content.queries.layers[0].stride = 0],
  ["queries.most is not valid", ({ content }) => content.queries.most = -1],
  ["rising multiples of 5", ({ content }) => content.queries.layers[1].stride = 5],
  ["section", ({ content }) => content.queries.layers[0].count = 3],
  ["must be of cached tokens: current value is 60", (header, data) => {
    const name = "queries.1.positions";
    const { offset, bytes } = header.sections.find((section: Json) => section.name === name);
    new DataView(data.buffer).setInt32(offset + bytes - 4, 60, true);
    redigest(header, name);
  }],
];

onFiles("restore() refuses forged queries", async (model, path) => {
  const session = await prefilled(model);
  await session.save(path);
  const file = await Deno.readFile(path);
  const refused = async (bytes: Uint8Array, message: string) => {
    await Deno.writeFile(path, bytes);
    await assertRejects(() => restored(model, path), SessionFileError, message);
  };
  for (const [message, edit] of FORGERIES) await refused(forged(file, edit), message);
  const noLayers = withoutQueries(file, model, (content) => content.queries.layers = []);
  await refused(noLayers, "queries must be of 2 layers");
});
