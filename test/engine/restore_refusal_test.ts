/** Files that `restore` must refuse: torn, changed, foreign, forged, or of another model. */
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { SessionFileError } from "../../ffi/errors.ts";
import { loadWeights } from "../../lib/model/weights.ts";
import { fixture } from "../model/fixtures.ts";
import { forged, joined, onFiles, redigest, restored } from "./saved.ts";
import { someIds, tiny, type TinyModel } from "./tiny_model.ts";

async function saved(model: TinyModel, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const session = model.session();
  await session.prefill(someIds(20));
  await session.save(path);
  session.close();
  return await Deno.readFile(path);
}

/** Runs `body` with a saved session and what asserts that other bytes in its place are refused; nothing may stay allocated. */
function onSaved(
  name: string,
  body: (
    file: Uint8Array<ArrayBuffer>,
    refused: (bytes: Uint8Array, message?: string) => Promise<void>,
    model: TinyModel,
  ) => Promise<void>,
): void {
  onFiles(name, async (model, path) => {
    const file = await saved(model, path);
    const allocated = model.backend.allocatedBytes();
    await body(file, async (bytes, message = "") => {
      await Deno.writeFile(path, bytes);
      await assertRejects(() => restored(model, path), SessionFileError, message);
    }, model);
    assertEquals(model.backend.allocatedBytes(), allocated);
    assertEquals(model.open.size, 0);
  });
}

onSaved("restore() refuses a file that ends early, wherever", async (file, refused) => {
  for (let length = 0; length < 60; length++) await refused(file.subarray(0, length));
  const lengths = fc.integer({ min: 60, max: file.length - 1 });
  await fc.assert(fc.asyncProperty(lengths, (length) => refused(file.subarray(0, length))), {
    numRuns: 200,
    seed: 1,
  });
  await refused(file.subarray(0, -1), "data must have");
});

onSaved("restore() refuses a file that goes on", async (file, refused) => {
  for (const more of [1, 5000]) {
    const longer = new Uint8Array(file.length + more);
    longer.set(file);
    await refused(longer, "data must have");
  }
});

onSaved("restore() refuses a file in which any byte has changed", async (file, refused) => {
  const flipped = (at: number, mask: number) => {
    const bytes = file.slice();
    bytes[at]! ^= mask;
    return refused(bytes);
  };
  for (let at = 0; at < 48; at++) await flipped(at, 1 << (at % 8));
  const places = fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(fc.asyncProperty(places, ([at, mask]) => flipped(at, mask)), {
    numRuns: 400,
    seed: 1,
  });
});

onSaved("restore() refuses a file of which a part was overwritten", async (file, refused) => {
  const part = fc.tuple(fc.nat(file.length - 1), fc.uint8Array({ minLength: 1, maxLength: 600 }));
  await fc.assert(
    fc.asyncProperty(part, async ([start, bytes]) => {
      const torn = file.slice();
      torn.set(bytes.subarray(0, torn.length - start), start);
      if (torn.every((byte, at) => byte === file[at])) return;
      await refused(torn);
    }),
    { numRuns: 100, seed: 1 },
  );
});

onSaved("restore() refuses another kind of file", async (_, refused) => {
  await refused(await Deno.readFile(fixture("llama/model.safetensors")), "another kind of file");
  await refused(await Deno.readFile(fixture("llama/config.json")), "another kind of file");
});

onSaved("restore() refuses another version by its number", async (file, refused) => {
  const length = new DataView(file.buffer).getUint32(12, true);
  const start = file.slice(0, 12);
  new DataView(start.buffer).setUint32(8, 2, true);
  const other = joined(start, file.subarray(48, 48 + length), file.subarray(48 + length));
  await refused(other, "version must be 1: current value is 2");
});

onFiles("restore() refuses what is no file or not there", async (model, path) => {
  await assertRejects(() => restored(model, path), SessionFileError, "No such file");
  await Deno.mkdir(path);
  await assertRejects(() => restored(model, path), SessionFileError, "must be a file");
  await assertRejects(() => restored(model, "/dev/null"), SessionFileError, "must be a file");
});

onSaved("restore() takes the forged file of these tests when nothing is changed", async (file) => {
  assertEquals(forged(file, () => {}), file);
  await Promise.resolve();
});

// deno-lint-ignore no-explicit-any
type Edit = (header: any, data: Uint8Array) => void;

function chatWith(tokens: number, stopped: number | null) {
  return { text: "", tokens, nowMs: 0, stopped };
}

/** Files with digests that are right and content that is not, and what the error says. */
const FORGERIES: readonly [message: string, edit: Edit][] = [
  ["sections is not valid", (header) => header.sections = null],
  ["content is not valid", (header) => header.more = 1],
  ["model is not valid", (header) => delete header.content.model],
  ["tokens is not valid", ({ content }) => content.tokens = -1],
  ["tokens is not valid", ({ content }) => content.tokens = 2 ** 40],
  ["cached is not valid", ({ content }) => content.cached = 1.5],
  ["all but the last", ({ content }) => content.cached = 21],
  ["all but the last", ({ content }) => content.cached = 18],
  ["section 2 must be", ({ content }) => content.cached = 20],
  [
    "section 0 must be",
    ({ content }) => content.tokens = content.cached = content.streamStart = 19,
  ],
  ["contextTokens is not valid", ({ content }) => content.contextTokens = 0],
  ["streamStart is not valid", ({ content }) => content.streamStart = 21],
  ["chat.tokens is not valid", ({ content }) => content.chat = chatWith(21, null)],
  ["chat.stopped is not valid", ({ content }) => content.chat = chatWith(5, 21)],
  ["chat.stopped is not valid", ({ content }) => content.chat = chatWith(5, 4)],
  ["kv is not valid", ({ content }) => content.kv = "f16"],
  ["section 2 must be", ({ content }) => content.kv = "bf16"],
  ["chunkTokens is not valid", ({ content }) => content.chunkTokens = 0],
  ["seed is not valid", ({ content }) => content.seed = "1"],
  ["name must be known", ({ content }) => content.attention.name = "constructor"],
  ["name must be known", ({ content }) => content.attention.name = "perHead"],
  ["pass the option attention", ({ content }) => content.attention.options = null],
  ["options must be {}", ({ content }) => content.attention.options = { a: 1 }],
  ["window must be", ({ content }) => {
    content.attention = { name: "streaming", options: { sink: 4, window: -1 } };
  }],
  ["config.layers", ({ content }) => content.model.config.layers = 3],
  ["config.rope.theta", ({ content }) => content.model.config.rope.theta = 5],
  ["config.more", ({ content }) => content.model.config.more = "x".repeat(5000)],
  ["must be missing", ({ content }) => content.model.config.eosIds = undefined],
  ["tokenizer", ({ content }) => content.model.tokenizer = "0".repeat(64)],
  ["weights", ({ content }) => content.model.weights = "0".repeat(64)],
  ["dtype is not valid", ({ sections }) => sections[0].dtype = "i64"],
  ["shape.0 is not valid", ({ sections }) => sections[0].shape = [-20]],
  ["section ids must have", ({ sections }) => sections[0].shape = [2 ** 50]],
  ["section ids must have", ({ sections }) => sections[0].shape = [2 ** 50, 2 ** 50]],
  ["section 0 must be", ({ sections }) => sections[0].shape = [4, 5]],
  ["section 0 must be", ({ sections }) => sections[0].dtype = "f32"],
  ["section ids must have", ({ sections }) => sections[0].bytes = 76],
  ["must start at byte 80", ({ sections }) => sections[1].offset = 0],
  ["must start at byte 0", ({ sections }) => sections.reverse()],
  ["section 1 must be", ({ sections }) => sections[1].name = "ids"],
  ["section 6 must be absent", ({ sections }) => sections.push(extra(sections))],
  ["data must have", ({ sections }) => sections.pop()],
  ["section ids must have its digest", ({ sections }) => sections[0].sha256 = "0".repeat(64)],
  ["token 3 must be < 88", (header, data) => {
    new DataView(data.buffer).setInt32(12, 88, true);
    redigest(header, "ids");
  }],
  ["token 3 must be < 88", (header, data) => {
    new DataView(data.buffer).setInt32(12, -1, true);
    redigest(header, "ids");
  }],
  ["phase 0 must be 0 or 1", (header, data) => {
    data[80] = 2;
    redigest(header, "phases");
  }],
];

function extra(sections: readonly { offset: number; bytes: number }[]) {
  const { offset, bytes } = sections.at(-1)!;
  return { name: "index", dtype: "u8", shape: [0], offset: offset + bytes, bytes: 0 };
}

onSaved(
  "restore() refuses forged counts, shapes, ids and options by name",
  async (file, refused) => {
    for (const [message, edit] of FORGERIES) await refused(forged(file, edit), message);
  },
);

onSaved("restore() refuses headers that are no plain JSON", async (file, refused) => {
  const length = new DataView(file.buffer).getUint32(12, true);
  const [start, data] = [file.subarray(0, 12), file.subarray(48 + length)];
  const deep = `{"content":${"[".repeat(5000)}${"]".repeat(5000)},"sections":[]}`;
  for (const text of ["", "{", "[]", "null", deep, '{"sections":[],"sections":[]}']) {
    await refused(joined(start, new TextEncoder().encode(text), data));
  }
  await refused(joined(start, Uint8Array.of(0xff, 0xfe), data), "plain JSON");
});

onFiles(
  "restore() refuses the file of another model and says what differs",
  async (model, path) => {
    await saved(model, path);
    const others = await Promise.all(["llama_yarn", "qwen3"].map((n) => tiny(n, model.backend)));
    const weights = await loadWeights(fixture("llama"), model.config, model.backend, {
      weights: "bf16",
    });
    const encode = (text: string) => model.tokenizer.encode(text).reverse();
    const cases = [
      [others[0]!, "config.rope"],
      [others[1]!, "config.family"],
      [{ ...model, weights }, '"weights" of the model'],
      [{ ...model, tokenizer: { ...model.tokenizer, encode } }, '"tokenizer" of the model'],
      [
        { ...model, tokenizer: { ...model.tokenizer, token: () => "x" } },
        '"tokenizer" of the model',
      ],
      [{ ...model, config: { ...model.config, eps: 0.5 } }, "must be 0.000001, as it was saved"],
    ] as const;
    for (const [other, message] of cases) {
      await assertRejects(() => restored(other, path), SessionFileError, message);
    }
    for (const { close } of [...others, weights]) close();
  },
);

onFiles("restore() refuses weights of which one matrix differs", async (model, path) => {
  await saved(model, path);
  const weights = await loadWeights(fixture("llama"), model.config, model.backend);
  const { output } = weights.layers[1]!;
  const changed = model.backend.tensor(
    output.wDown.shape,
    output.wDown.dtype,
    output.wDown.read().map((value, x) => value * (1 + (x % 7) / 100)),
  );
  const layers = weights.layers.with(1, {
    ...weights.layers[1]!,
    output: { ...output, wDown: changed },
  });
  const other = { ...model, weights: { ...weights, layers } };
  await assertRejects(() => restored(other, path), SessionFileError, '"weights" of the model');
  const same = await restored({ ...model, weights }, path);
  same.close();
  changed.close();
  weights.close();
});
