/** Sessions whose keys and values lie in a file. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { fileURLToPath } from "node:url";
import { BackendError, BudgetError } from "../../ffi/errors.ts";
import { NativeBackend } from "../../ffi/native_backend.ts";
import { NativeLibrary } from "../../ffi/native_library.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { methods } from "../../lib/attention/methods.ts";
import type { Session } from "../../lib/engine/session.ts";
import { sessionOptions } from "../../lib/engine/session_options.ts";
import type { SessionOptions } from "../../lib/engine/session_types.ts";
import { inFolder } from "../in_folder.ts";
import { emulatedCudaLibrary } from "../native/build_emulated_cuda.ts";
import { assertSameFuture, namesBeside, restored } from "./saved.ts";
import { nextLogits, openOr, someIds, tiny, type TinyModel } from "./tiny_model.ts";

const CHILD = fileURLToPath(new URL("kv_file_child.ts", import.meta.url));
const isLinux = Deno.build.os === "linux";
const hasLibrary = await openOr("cpu") !== null;
if (!hasLibrary) console.log("Skips sessions in files as there is no native library here");
if (!isLinux) console.log("Skips what /proc tells of files as this is no Linux");
const emulated = await emulatedCudaLibrary();

/** Calls `body` with a model on the CPU, and a path that nothing is at. */
function onFile(name: string, body: (model: TinyModel, path: string) => Promise<void>): void {
  const fn = () =>
    inFolder(async (folder) => {
      const model = await tiny("llama", (await openOr("cpu"))!);
      try {
        await body(model, `${folder}/kv`);
      } finally {
        model.close();
      }
    });
  Deno.test({ name, ignore: !hasLibrary, fn });
}

function inFile(model: TinyModel, kvFile: string, more: Partial<SessionOptions> = {}): Session {
  return model.session({ kvTier: "file", kvFile, ...more });
}

/** Bytes of the keys and values of `tokens` tokens of the checkpoint as f32 in whole pages. */
function pagesOf({ config }: TinyModel, tokens: number): number {
  const page = 256 * (2 * config.dim * 4 + 4);
  return Math.ceil(tokens / 256) * config.layers * config.kvHeads * page;
}

onFile("kvTier file computes the bits that memory does", async (model, path) => {
  for (const kv of ["f32", "bf16", "int8"] as const) {
    for (
      const attention of [methods.dense(), methods.retrieval({ sink: 4, window: 16, topK: 9 })]
    ) {
      const found: unknown[] = [];
      for (const kvTier of ["fast", "slow", "file"] as const) {
        const session = model.session({
          kv,
          attention,
          kvTier,
          ...kvTier === "file" && { kvFile: path },
        });
        await session.prefill(someIds(700));
        const { logits } = await session.step();
        const { ids } = await session.generate({ maxTokens: 80 });
        found.push({ logits, ids, next: await nextLogits(session) });
        session.close();
      }
      assertEquals(found[2], found[0]);
      assertEquals(found[1], found[0]);
    }
  }
});

onFile("memory() counts what lies in a file as such", async (model, path) => {
  const session = inFile(model, path, { memoryBytes: 0 });
  await session.prefill(someIds(300));
  const { tokens, kvBytes, fastBytes, slowBytes, fileBytes } = session.memory();
  const bytes = pagesOf(model, 300);
  assertEquals([tokens, kvBytes, fileBytes, fastBytes, slowBytes], [299, bytes, bytes, 0, 0]);
  assertEquals(model.backend.allocatedBytes("file"), bytes);
  const other = model.session();
  await other.prefill(someIds(300));
  const inMemory = other.memory();
  assertEquals([inMemory.fastBytes, inMemory.slowBytes, inMemory.fileBytes], [bytes, 0, 0]);
  session.close();
  assertEquals(model.backend.allocatedBytes("file"), 0);
});

onFile(
  "forks share a file until one of them writes, and it lasts as long as one",
  async (model, path) => {
    const parent = inFile(model, path);
    await parent.prefill(someIds(300));
    const wanted = await nextLogits(parent);
    const [half, whole] = [pagesOf(model, 1), pagesOf(model, 300)];
    const fork = parent.fork();
    assertEquals(model.backend.allocatedBytes("file"), whole);
    await fork.prefill(someIds(100, 5));
    assertEquals(model.backend.allocatedBytes("file"), whole + half);
    assertEquals(await nextLogits(parent), wanted);
    parent.close();
    const [grown, memory] = [fork.fork(), model.session()];
    fork.close();
    await memory.prefill(someIds(300));
    await memory.prefill(someIds(100, 5));
    assertEquals(await nextLogits(grown), await nextLogits(memory));
    assertEquals(grown.memory().fileBytes, whole);
    grown.close();
    assertEquals(model.backend.allocatedBytes("file"), 0);
  },
);

onFile("pages of closed forks are used again", async (model, path) => {
  const session = inFile(model, path, { fileBytes: pagesOf(model, 1536) });
  await session.prefill(someIds(512));
  const memory = model.session();
  await memory.prefill(someIds(512));
  for (let turn = 0; turn < 5; turn++) {
    const [fork, wanted] = [session.fork(), memory.fork()];
    for (const one of [fork, wanted]) await one.prefill(someIds(500, turn));
    assertEquals(await nextLogits(fork), await nextLogits(wanted));
    fork.close();
    wanted.close();
  }
  assertEquals(model.backend.allocatedBytes("file"), pagesOf(model, 512));
});

onFile(
  "a text beyond fileBytes is refused with numbers, and nothing is lost",
  async (model, path) => {
    const room = pagesOf(model, 512);
    const session = inFile(model, path, { fileBytes: room });
    await session.prefill(someIds(250));
    const fork = session.fork();
    const wanted = await nextLogits(session);
    const before = [session.memory(), model.backend.allocatedBytes("file")];
    const page = pagesOf(model, 1);
    const message =
      `Cannot hold a context of 550 tokens as its keys and values need ${
        3 * page
      } more bytes of their ` +
      `file, of which ${page} bytes are used and ${room} may be: shorten the text or raise fileBytes`;
    await assertRejects(async () => await session.prefill(someIds(300)), BudgetError, message);
    assertEquals([session.memory(), model.backend.allocatedBytes("file")], before);
    assertEquals([session.length, await nextLogits(session)], [250, wanted]);
    fork.close();
    await session.prefill(someIds(250));
    assertEquals([session.length, session.memory().fileBytes], [500, room]);
  },
);

onFile("a step beyond fileBytes is refused, and the session still answers", async (model, path) => {
  const session = inFile(model, path, { fileBytes: pagesOf(model, 256) });
  await session.prefill(someIds(255));
  await session.step();
  await session.step();
  const wanted = session.ids;
  const full = "Cannot hold a context of 257 tokens";
  await assertRejects(() => session.step(), BudgetError, full);
  assertEquals(session.ids, wanted);
  await assertRejects(() => session.step(), BudgetError, full);
  const other = model.session();
  await other.prefill(wanted.subarray(0, 255));
  await other.step();
  await other.step();
  assertEquals(other.ids, wanted);
});

onFile("a session in a file is saved, and restored in each tier", async (model, path) => {
  const session = inFile(model, path);
  await session.prefill(someIds(300));
  await session.save(`${path}.session`);
  const copy = await restored(model, `${path}.session`, { kvTier: "file", kvFile: path });
  await assertSameFuture(session, copy);
  const inMemory = await restored(model, `${path}.session`);
  assertEquals([inMemory.memory().fileBytes, await nextLogits(inMemory)], [
    0,
    await nextLogits(session),
  ]);
  const small = { kvTier: "file", kvFile: path, fileBytes: 1000 } as const;
  const before = model.backend.allocatedBytes();
  await assertRejects(() => restored(model, `${path}.session`, small), BudgetError, "1000 may be");
  assertEquals(model.backend.allocatedBytes(), before);
});

onFile("score() and probe() work beside a session in a file", async (model, path) => {
  const [session, memory] = [inFile(model, path), model.session()];
  for (const one of [session, memory]) await one.prefill(someIds(40));
  const scores = await Promise.all([session, memory].map((one) => one.score(someIds(20))));
  assertEquals(scores[0]!.logProbs, scores[1]!.logProbs);
  for await (const probe of session.probe(someIds(30))) assertEquals(probe.tokens, 30);
  assertEquals(model.backend.allocatedBytes("file"), pagesOf(model, 40));
});

onFile(
  "the file of a session has no name, and the folder is left as it was",
  async (model, path) => {
    const url = new URL(`file://${path}`);
    for (const kvFile of [path, url]) {
      const session = model.session({ kvTier: "file", kvFile });
      await session.prefill(someIds(300));
      assertEquals(namesBeside(path), []);
      session.close();
    }
    await Deno.writeTextFile(path, "mine");
    assertThrows(() => inFile(model, path), BackendError, `${path}: File exists`);
    assertEquals(await Deno.readTextFile(path), "mine");
    assertEquals(model.open.size, 0);
  },
);

onFile("without kvFile the file is in TMPDIR, or /var/tmp", async (model, path) => {
  const before = Deno.env.get("TMPDIR");
  try {
    Deno.env.set("TMPDIR", `${path}.missing`);
    const missing = () => model.session({ kvTier: "file" });
    assertThrows(missing, BackendError, `at ${path}.missing/longlens-`);
    Deno.env.delete("TMPDIR");
    const session = model.session({ kvTier: "file" });
    await session.prefill(someIds(20));
    assertGreater(session.memory().fileBytes, 0);
    if (isLinux) assert(openFiles("self").some((name) => name.startsWith("/var/tmp/longlens-")));
    session.close();
    if (isLinux) assert(!openFiles("self").some((name) => name.startsWith("/var/tmp/longlens-")));
  } finally {
    if (before !== undefined) Deno.env.set("TMPDIR", before);
  }
});

Deno.test("kvTier file is refused by backends that have none", async () => {
  const backends = [openReferenceBackend()];
  if (emulated !== null) {
    const library = NativeLibrary.load(emulated);
    library.start(0, "simt");
    backends.push(new NativeBackend(library, "f32"));
  }
  for (const backend of backends) {
    const model = await tiny("llama", backend);
    const message = `the backend must be cpu: current value is ${backend.name}`;
    assertThrows(() => model.session({ kvTier: "file" }), BackendError, message);
    model.close();
  }
});

Deno.test("sessionOptions() takes kvFile and fileBytes with kvTier file only", () => {
  const { kvFile, fileBytes } = sessionOptions({ kvTier: "file", kvFile: "a", fileBytes: 5 });
  assertEquals([kvFile, fileBytes], ["a", 5]);
  const cases: [Partial<SessionOptions>, string][] = [
    [{ kvFile: "a" }, "kvFile needs kvTier file: current value is fast"],
    [{ kvTier: "slow", fileBytes: 5 }, "fileBytes needs kvTier file: current value is slow"],
    [{ kvTier: "file", fileBytes: -1 }, "fileBytes must be >= 0: current value is -1"],
    [{ kvTier: "file", fileBytes: NaN }, "fileBytes must be >= 0: current value is NaN"],
  ];
  for (const [options, message] of cases) {
    assertThrows(() => sessionOptions(options), RangeError, message);
  }
});

/** Names of the files that a process holds open. */
function openFiles(process: string): string[] {
  return [...Deno.readDirSync(`/proc/${process}/fd`)].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${process}/fd/${name}`);
    } catch {
      return ""; // the one of this listing
    }
  });
}

function child(how: "hold" | "limited" | "fill", folder: string): Deno.Command {
  const args = ["run", "--allow-all", "--no-check", CHILD, how, folder];
  const streams = { stdin: "null", stdout: "piped", stderr: "inherit" } as const;
  return new Deno.Command(Deno.execPath(), { args, ...streams });
}

function onChild(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: !hasLibrary || !isLinux, fn: () => inFolder(body) });
}

onChild("a process that is killed leaves nothing of its file", async (folder) => {
  const process = child("hold", folder).spawn();
  let said = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (said.endsWith("\n")) process.kill("SIGKILL");
  }
  assertEquals((await process.status).signal, "SIGKILL");
  assertEquals(JSON.parse(said), { target: `${folder}/kv (deleted)`, names: 0 });
  assertEquals([...Deno.readDirSync(folder)], []);
});

async function said(command: Deno.Command) {
  const { code, stdout } = await command.output();
  assertEquals(code, 0);
  return JSON.parse(new TextDecoder().decode(stdout));
}

onChild("a disk that is full is a BudgetError, and the session goes on", async (folder) => {
  const { name, message, same, index } = await said(child("limited", folder));
  assertEquals([name, same, index], ["BudgetError", true, 300]);
  assertMatch(
    message,
    /^Cannot extend a file of pages by \d+ bytes: .*, \d+ bytes are free on its disk$/,
  );
});

onChild("a cache in a file grows beyond the memory that a process may have", async (folder) => {
  const { inFile, inMemory, grown, dropped, isMemory, isSame } = await said(child("fill", folder));
  assertEquals([inFile.error, inMemory.error], [null, "BudgetError"]);
  assertGreater(inFile.megabytes, 255);
  assertLessOrEqual(inMemory.megabytes, 128);
  assertGreater(grown.file, 250);
  assertLessOrEqual(grown.anonymous, 50);
  if (isMemory) console.log("Skips what leaves memory as the temporary folder is memory");
  else assertGreater(dropped, 200);
  assert(isSame, "what was written out comes back");
});
