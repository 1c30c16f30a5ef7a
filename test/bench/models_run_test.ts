/** Whole models, measured: a tiny one of ours, beside a made-up program and beside llama.cpp. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { type ModelCase, modelCases } from "../../lib/bench/models/model_case.ts";
import { LLAMA_MODELS, ModelChild } from "../../lib/bench/models/model_peer.ts";
import { type ModelsOptions, runModels } from "../../lib/bench/models/run_models.ts";
import { inFolder } from "../in_folder.ts";
import { isRunning, shell } from "./peers_fixture.ts";
import { FakeModelPeer, FILE, modelFinder, tinyFile } from "./models_fixture.ts";
import { nativeBackend } from "./tiny.ts";

const native = await nativeBackend();
const TEXT = "the quick brown fox jumps over the lazy dog ".repeat(40);
const CASES = modelCases([tinyFile()], [40, 70]);

function test(name: string, body: () => Promise<void>): void {
  Deno.test({ name, ignore: !native, fn: body });
}

function run(options: Partial<ModelsOptions> = {}) {
  const usual = { backend: native!, cases: CASES, text: TEXT, seconds: 600, peer: null };
  return runModels({ ...usual, workingSets: [65536, 1 << 20], ...options });
}

test("runModels() measures reading and generating at every depth, under a ceiling", async () => {
  const { rows, finished, skipped, peers } = await run();
  assertEquals([finished, skipped, peers], [true, [], []]);
  assertEquals(rows.map(({ task, tokens }) => `${task} ${tokens}`), [
    "prefill 40",
    "decode 40",
    "prefill 70",
    "decode 70",
  ]);
  for (const { ms, limit, flops, beside, agreement } of rows) {
    assert(ms.count >= 1 && ms.least > 0 && limit.ms > 0 && flops > 0);
    assertEquals([beside, agreement], [[], null]);
  }
});

test("runModels() gives another program the ids that ours reads and chooses, in turn", async () => {
  const peer = new FakeModelPeer();
  const { rows, peers } = await run({ cases: CASES.slice(0, 1), peer: modelFinder(peer) });
  assertEquals(peers, [{ name: "llama.cpp", version: "1.2.3", missing: null }]);
  assertMatch(peer.events.join(" "), /^open read 40 decode 4( read 40)+( decode 32){3,} close$/);
  assertEquals(peer.opened[0]!.threads, native!.info().threads);
  assertGreater(peer.opened[0]!.contextTokens, 40 + 32);
  const { chosen } = peer.reads.at(-1)!;
  assertEquals([peer.decodes.at(-1)!.after, peer.decodes.at(-1)!.ids[0]], [40, chosen]);
  const [prefill, decode] = rows;
  assertEquals(prefill!.beside[0]!.ms!.median, 40);
  assertEquals(decode!.beside[0]!.ms!.median, 10);
  assertEquals(decode!.beside[0]!.ratio, 10 / decode!.ms.median);
  assertEquals(decode!.agreement, { same: 32, of: 33, widestGap: 0.5 });
});

test("runModels() goes on without a program that is missing or falls over, and says why", async () => {
  const missing = { name: "llama.cpp", find: () => Promise.resolve({ missing: "not here" }) };
  const without = await run({ cases: CASES.slice(0, 1), peer: missing });
  assertEquals(without.peers, [{ name: "llama.cpp", version: null, missing: "not here" }]);
  assertEquals(without.rows.map(({ beside }) => beside), [[], []]);
  const peer = new FakeModelPeer((event) => event === "decode 32");
  const { rows } = await run({ cases: CASES.slice(0, 1), peer: modelFinder(peer) });
  assertEquals(rows.map(({ beside: [one] }) => [one!.ms === null, one!.note]), [
    [false, "it fell over"],
    [true, "it fell over"],
  ]);
  assert(rows[1]!.ms.count >= 3);
});

test("runModels() skips what cannot be loaded and what would take too long, with the reason", () =>
  inFolder(async (folder) => {
    const torn = { ...FILE, path: `${folder}/torn.gguf` };
    await Deno.writeTextFile(torn.path, "no model at all");
    const cases: ModelCase[] = [...modelCases([torn], [40]), ...modelCases([tinyFile()], [1e9])];
    const { rows, skipped } = await run({ cases });
    assertEquals(rows, []);
    assertStringIncludes(skipped[0]!.reason, "Cannot read torn.gguf");
    assertMatch(
      skipped[1]!.reason,
      /^it would take .*( of memory|s, and the model had \d+ s left)/,
    );
  }));

test("runModels() that is stopped has the rows it had, and ends the other program", async () => {
  const stop = new AbortController();
  const peer = new FakeModelPeer((event) => {
    if (event === "read 70") stop.abort();
    return false;
  });
  const found = await run({ peer: modelFinder(peer), signal: stop.signal });
  assertEquals([found.finished, found.rows.length], [false, 2]);
  assertEquals(peer.events.at(-1), "close");
});

test("llama.cpp reads the same file and chooses the same tokens", async () => {
  const found = await LLAMA_MODELS.find();
  if ("missing" in found) return console.log(`Skips llama.cpp: ${found.missing}`);
  const { rows } = await run({ cases: CASES.slice(0, 1), peer: modelFinder(found) });
  for (const { beside: [one], agreement } of rows) {
    assertEquals(one!.note, null);
    assert(one!.ms!.least > 0);
    assertEquals(agreement!.of, 33);
    assert(agreement!.widestGap < 0.1, `${agreement!.widestGap}`);
  }
});

const PATIENCE = { timeoutMs: 20_000, signal: new AbortController().signal };
const OPEN = { path: "a.gguf", threads: 1, contextTokens: 8, batchTokens: 8 };

async function child(script: string): Promise<ModelChild> {
  const found = await ModelChild.find("peer", shell(`echo '{"version":"1.2"}'\n${script}`));
  if ("missing" in found) throw new Error(found.missing);
  return found;
}

async function failure(work: Promise<unknown>): Promise<string> {
  return await work.then(() => "none", (error: Error) => error.message);
}

Deno.test("ModelChild passes on times, and what failed in the child, which is started again", async () => {
  const peer = await child(
    `read line; echo '{}'; read line; echo '{"ms":3,"gaps":[0,1]}'; read line; echo '{"error":"no"}'; exec sleep 60`,
  );
  await peer.open(OPEN, PATIENCE);
  assertEquals(await peer.read({ ids: [1, 2], chosen: 3 }, PATIENCE), { ms: 3, gaps: [0, 1] });
  const decode = { after: 2, ids: [3, 4] };
  assertEquals(
    await failure(peer.decode(decode, PATIENCE)),
    "Cannot measure peer as it failed: no",
  );
  assertEquals(await failure(peer.decode(decode, PATIENCE)), "peer has no model open");
  await peer.open(OPEN, PATIENCE);
  await peer.close();
});

Deno.test("ModelChild refuses answers that are no times, and ends a child that takes too long", async () => {
  for (const reply of ["{}", '{"ms":-1,"gaps":[]}', '{"ms":1}', '{"ms":1,"gaps":[-1]}']) {
    const peer = await child(`read line; echo '{}'; read line; echo '${reply}'; exec sleep 60`);
    await peer.open(OPEN, PATIENCE);
    const message = await failure(peer.read({ ids: [1], chosen: 1 }, PATIENCE));
    assertStringIncludes(message, "Cannot read peer as it answered no times");
    await peer.close();
  }
  const slow = await child("exec sleep 60");
  const { pid } = slow;
  assertStringIncludes(
    await failure(slow.open(OPEN, { ...PATIENCE, timeoutMs: 100 })),
    "took longer than 0.1 s",
  );
  assertEquals(isRunning(pid!), false);
});
