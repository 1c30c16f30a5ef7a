import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CancelledError, DownloadError } from "../../ffi/errors.ts";
import { type DownloadProgress, type HubOptions, locateOnHub } from "../../lib/model/hub.ts";
import { Clock } from "../clock.ts";
import { assertWeights, COMMIT, type HubTest, tree, WEIGHTS, withHub } from "./hub_fixture.ts";
import { broken, checksum } from "./hub_server.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const MAIN = { name: "org/name", revision: "main" };
const QUICK: HubOptions = { retryMs: 1, attempts: 3 };

function etagOf({ hub }: HubTest, name: string): string {
  return checksum(hub.repositories.get("org/name")!, name);
}

function partOf(test: HubTest, name = "model.safetensors"): string {
  return join(test.cache, "models--org--name/blobs", `${etagOf(test, name)}.incomplete`);
}

/** What the CDN sent of the weights begins at these bytes. */
function ranges({ hub }: HubTest): (string | null)[] {
  return hub.seen.filter(({ to }) => to === "cdn").map(({ headers }) => headers.get("range"));
}

/** Waits until the part has bytes up to `end`, but not for ever: a test that fails must end. */
async function partHas(test: HubTest, end: number): Promise<void> {
  const part = partOf(test);
  for (let tries = 0; tries < 10_000 && await sizeOf(part) < end; tries++) await pause();
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}

/** The weights up to the `count`th byte of an answer. */
function brokenWeights(test: HubTest, count: number, response: Response): Response {
  return broken(WEIGHTS, count, response, (end) => partHas(test, end));
}

/** Answers of the CDN break off after `count` bytes, `times` times. */
function breakOff(test: HubTest, count: number, times: number): void {
  let left = times;
  test.hub.intercept = ({ to }, answer) => {
    if (to !== "cdn" || left === 0) return undefined;
    left--;
    return brokenWeights(test, count, answer());
  };
}

Deno.test("a connection that breaks goes on with a range from where it broke", async () => {
  await withHub(async (test) => {
    breakOff(test, 100_000, 2);
    const notices: string[] = [];
    const onNotice = (text: string) => void notices.push(text);
    await assertWeights(await locateOnHub(MAIN, { ...QUICK, attempts: 2, onNotice }));
    assertEquals(ranges(test), [null, "bytes=100000-", "bytes=200000-"]);
    assertEquals(notices.length, 2);
    for (const text of notices) assertStringIncludes(text, "Tries again in 0.001 s: Cannot");
  });
});

Deno.test("locateOnHub() gives up after attempts that bring nothing, and keeps what has come", async () => {
  await withHub(async (test) => {
    breakOff(test, 0, Infinity);
    const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
    assertEquals([error.reason, ranges(test).length], ["network", 3]);
    test.hub.intercept = () => undefined;
    await assertWeights(await locateOnHub(MAIN, QUICK));
  });
});

Deno.test("whatever part an earlier download left, the file ends equal, bit for bit", async () => {
  await withHub(async (test) => {
    await locateOnHub(MAIN);
    const blob = partOf(test).replace(".incomplete", "");
    const offsets = fc.integer({ min: 0, max: WEIGHTS.length });
    const goesOn = async (offset: number) => {
      await Deno.remove(blob);
      await Deno.writeFile(partOf(test), WEIGHTS.subarray(0, offset));
      test.hub.seen.length = 0;
      await assertWeights(await locateOnHub(MAIN));
      const asked = offset === 0 ? [null] : [`bytes=${offset}-`];
      assertEquals(ranges(test), offset === WEIGHTS.length ? [] : asked);
    };
    await fc.assert(fc.asyncProperty(offsets, goesOn), {
      numRuns: 12,
      seed: 1,
      examples: [[0], [1], [WEIGHTS.length - 1], [WEIGHTS.length]],
    });
  });
});

Deno.test("a part that is longer than the file is thrown away", async () => {
  await withHub(async (test) => {
    const { hub, cache } = test;
    await Deno.mkdir(join(cache, "models--org--name/blobs"), { recursive: true });
    await Deno.writeFile(partOf(test), new Uint8Array(WEIGHTS.length + 1));
    await assertWeights(await locateOnHub(MAIN));
    assertEquals(hub.fetched("model.safetensors"), 1);
  });
});

Deno.test("a server that knows no ranges is read from the start again", async () => {
  await withHub(async (test) => {
    let first = true;
    test.hub.intercept = ({ to }, answer) => {
      if (to !== "cdn") return undefined;
      const response = first ? brokenWeights(test, 1000, answer()) : new Response(WEIGHTS);
      first = false;
      return response;
    };
    await assertWeights(await locateOnHub(MAIN, QUICK));
  });
});

Deno.test("a server that goes on elsewhere than asked is not believed", async () => {
  await withHub(async (test) => {
    test.hub.intercept = ({ to, headers }) => {
      if (to !== "cdn") return undefined;
      if (!headers.has("range")) return brokenWeights(test, 1000, new Response(null));
      const range = { "content-range": `bytes 999-1999/${WEIGHTS.length}` };
      return new Response(WEIGHTS.slice(999, 2000), { status: 206, headers: range });
    };
    const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
    assertStringIncludes(error.message, "must send model.safetensors from byte 1000");
  });
});

Deno.test("an abort stops the download at once, and the next load goes on from there", async () => {
  await withHub(async (test) => {
    const abort = new AbortController();
    test.hub.intercept = ({ to }) => to === "cdn" ? dripping() : undefined;
    let before = Infinity;
    const onDownload = ({ file, done }: DownloadProgress) => {
      collectGarbage(); // Deno forgets signals of responses that are gone
      if (file === "model.safetensors" && done > before) abort.abort("enough");
      before = done;
    };
    const options = { ...QUICK, signal: abort.signal, onDownload };
    const error = await assertRejects(() => locateOnHub(MAIN, options), CancelledError);
    assertEquals(error.cause, "enough");
    const { size } = await Deno.stat(partOf(test));
    assert(size > 0 && size < WEIGHTS.length, `${size}`);
    test.hub.intercept = () => undefined;
    await assertWeights(await locateOnHub(MAIN));
    assertEquals(ranges(test).at(-1), `bytes=${size}-`);
  });
});

/** A few bytes every now and then. */
function dripping(): Response {
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await pause(20);
      controller.enqueue(WEIGHTS.slice(sent, sent += 1000));
    },
  });
  return new Response(stream);
}

/** The first 200 kB, and then silence. */
function slow(): Response {
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(WEIGHTS.slice(0, 200_000)),
  });
  return new Response(stream);
}

Deno.test("an abort ends the wait for another download", async () => {
  await withHub(async ({ hub }) => {
    hub.intercept = ({ to }) => to === "cdn" ? slow() : undefined;
    const aborts = [new AbortController(), new AbortController()];
    const loads = aborts.map((abort) =>
      locateOnHub(MAIN, { signal: abort.signal, onNotice: () => abort.abort() })
    );
    const first = await Promise.race(loads.map((load) => load.catch((error) => error)));
    assertInstanceOf(first, CancelledError);
    for (const abort of aborts) abort.abort();
    for (const load of loads) await assertRejects(() => load, CancelledError);
  });
});

Deno.test("a server that falls silent is asked again", async () => {
  await withHub(async (test) => {
    let times = 0;
    test.hub.intercept = ({ to }) => to === "cdn" && times++ === 0 ? slow() : undefined;
    using clock = new Clock();
    const load = locateOnHub(MAIN, { ...QUICK, stallMs: 200 });
    while (await sizeOf(partOf(test)) < 200_000 || clock.waiting === 0) await clock.settle();
    await clock.pass(199);
    assertEquals(ranges(test), [null]);
    await clock.pass(1);
    await assertWeights(await load);
    assertEquals(ranges(test), [null, "bytes=200000-"]);
  });
});

const flipBit = (bytes: Uint8Array<ArrayBuffer>) =>
  bytes.map((byte, x) => x === 77 ? byte ^ 1 : byte);
const lengthen = (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array([...bytes, 1]);

const damages: [name: string, file: string, damage: typeof flipBit][] = [
  ["has another bit", "model.safetensors", flipBit],
  ["is longer", "model.safetensors", lengthen],
  ["has another bit", "tokenizer_config.json", flipBit],
  ["is longer", "tokenizer_config.json", lengthen],
];

for (const [name, file, damage] of damages) {
  Deno.test(`a ${file} that ${name} is refused and removed, and fetched anew by the next load`, async () => {
    await withHub(async (test) => {
      const { hub, cache } = test;
      const { files } = hub.repositories.get("org/name")!;
      const end = file === "model.safetensors" ? `/${etagOf(test, file)}` : `/${file}`;
      hub.intercept = ({ path }) =>
        path.endsWith(end) ? new Response(damage(files[file]!)) : undefined;
      const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
      assertEquals(error.reason, "checksum");
      assertStringIncludes(error.message, "it was removed");
      const names = Object.keys(await tree(join(cache, "models--org--name")));
      const etag = etagOf(test, file);
      assertEquals(names.filter((path) => path.includes(etag) || path.endsWith(file)), []);
      hub.intercept = () => undefined;
      await assertWeights(await locateOnHub(MAIN));
    });
  });
}

Deno.test("files come over Xet where the hub has them there, and go on over plain http where that fails", async () => {
  await withHub(async (test) => {
    const { hub } = test;
    hub.repositories.get("org/name")!.xet = true;
    const snapshot = await locateOnHub(MAIN, QUICK);
    await assertWeights(snapshot);
    const cdn = hub.paths("cdn").map((path) => path.split("/")[1]);
    assertEquals(cdn, ["v2", "xorb"]);
    await Deno.remove(await Deno.realPath(join(snapshot, "model.safetensors")));
    hub.intercept = ({ path }) => path.startsWith("/xorb/") ? refused() : undefined;
    await assertWeights(await locateOnHub(MAIN, QUICK));
    assert(!hub.paths("cdn").at(-1)!.startsWith("/xorb/"));
  });
});

function refused(): Response {
  return new Response(null, { status: 403 });
}

Deno.test("a part goes on over Xet from any offset", async () => {
  await withHub(async (test) => {
    const { hub, cache } = test;
    hub.repositories.get("org/name")!.xet = true;
    await Deno.mkdir(join(cache, "models--org--name/blobs"), { recursive: true });
    for (const offset of [1, 65_535, 65_536, 200_000]) {
      await Deno.writeFile(partOf(test), WEIGHTS.subarray(0, offset));
      const snapshot = await locateOnHub(MAIN, QUICK);
      await assertWeights(snapshot);
      assert(hub.paths("cdn").at(-1)!.startsWith("/xorb/"), `${offset}`);
      await Deno.remove(await Deno.realPath(join(snapshot, "model.safetensors")));
    }
  });
});

Deno.test("a page in place of what comes over Xet sends the file over plain http", async () => {
  await withHub(async (test) => {
    const { hub } = test;
    hub.repositories.get("org/name")!.xet = true;
    hub.intercept = ({ path }) =>
      path.includes("/reconstructions/") ? new Response("<html>Log in</html>") : undefined;
    const notices: string[] = [];
    const onNotice = (text: string) => void notices.push(text);
    await assertWeights(await locateOnHub(MAIN, { ...QUICK, attempts: 1, onNotice }));
    assertEquals(hub.paths("cdn").at(-1), `/${etagOf(test, "model.safetensors")}`);
    assertEquals(notices.length, 1);
    assertStringIncludes(notices[0]!, "Goes on without Xet: Cannot download");
  });
});

Deno.test("wrong bytes over Xet are fetched anew over plain http, in the same load", async () => {
  await withHub(async (test) => {
    const { hub } = test;
    hub.repositories.get("org/name")!.xet = true;
    hub.intercept = ({ path }, answer) => path.startsWith("/xorb/") ? flipped(answer()) : undefined;
    const seen: DownloadProgress[] = [];
    const onDownload = (progress: DownloadProgress) => void seen.push(progress);
    await assertWeights(await locateOnHub(MAIN, { ...QUICK, onDownload }));
    assertEquals(ranges(test).at(-1), null);
    assertEquals(hub.paths("cdn").map((path) => path.split("/")[1]), [
      "v2",
      "xorb",
      etagOf(test, "model.safetensors"),
    ]);
    assertEquals(seen.at(-1)!.done, seen.at(-1)!.total);
  });
});

Deno.test("wrong bytes over Xet and then over plain http are refused and removed", async () => {
  await withHub(async (test) => {
    const { hub } = test;
    hub.repositories.get("org/name")!.xet = true;
    const etag = etagOf(test, "model.safetensors");
    hub.intercept = ({ path }, answer) =>
      path.startsWith("/xorb/") || path === `/${etag}` ? flipped(answer()) : undefined;
    const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
    assertEquals([error.reason, hub.paths("cdn").length], ["checksum", 3]);
    const names = Object.keys(await tree(join(test.cache, "models--org--name")));
    assertEquals(names.filter((path) => path.includes(etag)), []);
  });
});

function flipped(response: Response): Response {
  let first = true;
  const flip = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      const copy = chunk.slice();
      if (first) copy[500]! ^= 1;
      first = false;
      controller.enqueue(copy);
    },
  });
  return new Response(response.body!.pipeThrough(flip), response);
}

Deno.test("HF_HUB_DISABLE_XET keeps to plain http", async () => {
  await withHub(async (test) => {
    test.hub.repositories.get("org/name")!.xet = true;
    await assertWeights(await locateOnHub(MAIN, QUICK));
    assertEquals(test.hub.paths("cdn"), [`/${etagOf(test, "model.safetensors")}`]);
  }, { HF_HUB_DISABLE_XET: "1" });
});

Deno.test("onDownload() rises to the total, which is what was missing", async () => {
  await withHub(async (test) => {
    breakOff(test, 100_000, 2);
    const seen: DownloadProgress[] = [];
    await locateOnHub(MAIN, { ...QUICK, onDownload: (progress) => void seen.push(progress) });
    const { files } = test.hub.repositories.get("org/name")!;
    const { "config.json": config, ...rest } = files;
    const total = Object.values(rest).reduce((sum, { length }) => sum + length, 0);
    assert(config!.length > 0);
    assertEquals(new Set(seen.map((progress) => progress.total)), new Set([total]));
    assertEquals(seen.at(-1)!.done, total);
    assertEquals(seen.at(-1)!.file, "model.safetensors");
    assert(seen.every(({ done }, x) => x === 0 || done >= seen[x - 1]!.done));
    assert(seen.some(({ bytesPerSecond }) => bytesPerSecond > 0));
    seen.length = 0;
    await locateOnHub(MAIN, { onDownload: (progress) => void seen.push(progress) });
    assertEquals(seen, []);
  });
});

Deno.test("the disk is asked before the first byte of a file", async () => {
  await withHub(async (test) => {
    const asked: string[] = [];
    const freeBytes = (folder: string) => Promise.resolve(asked.push(folder) * 0 + 100);
    const error = await assertRejects(() => locateOnHub(MAIN, { freeBytes }), DownloadError);
    assertEquals(error.reason, "no-space");
    assertStringIncludes(error.message, "current value is 0.0 MB free");
    assertEquals(asked, [join(test.cache, "models--org--name")]);
    assertEquals(test.hub.paths().filter((path) => path.includes("/resolve/")), []);
  });
});

Deno.test("a part on the disk counts for the room that is needed", async () => {
  await withHub(async (test) => {
    const { cache, hub } = test;
    await Deno.mkdir(join(cache, "models--org--name/blobs"), { recursive: true });
    await Deno.writeFile(partOf(test), WEIGHTS.subarray(0, WEIGHTS.length - 10));
    const { files } = hub.repositories.get("org/name")!;
    const needed = files["tokenizer.json"]!.length + files["tokenizer_config.json"]!.length + 10;
    const free = (bytes: number) => ({ freeBytes: () => Promise.resolve(bytes) });
    await assertRejects(() => locateOnHub(MAIN, free(needed - 1)), DownloadError, "it needs");
    await assertWeights(await locateOnHub(MAIN, free(needed)));
  });
});

Deno.test("where free disk cannot be known that is said once and the download goes on", async () => {
  await withHub(async () => {
    const notices: string[] = [];
    const freeBytes = () => Promise.resolve(null);
    await locateOnHub(MAIN, { freeBytes, onNotice: (text) => void notices.push(text) });
    assertEquals(notices.length, 1);
    assertStringIncludes(notices[0]!, "--allow-sys=statfs");
  });
});

Deno.test({
  name: "a disk that fills up meanwhile is named",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withHub(async (test) => {
      await Deno.mkdir(join(test.cache, "models--org--name/blobs"), { recursive: true });
      await Deno.symlink("/dev/full", partOf(test));
      const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
      assertEquals(error.reason, "no-space");
      assertStringIncludes(error.message, "the disk must have room for model.safetensors");
    }),
});

Deno.test("the snapshot of a download that was stopped is not taken for a whole model", async () => {
  await withHub(async (test) => {
    breakOff(test, 1000, Infinity);
    await assertRejects(() => locateOnHub(MAIN, { ...QUICK, attempts: 1 }), DownloadError);
    const names = Object.keys(await tree(join(test.cache, "models--org--name")));
    assert(names.includes(`snapshots/${COMMIT}/config.json`));
    Deno.env.set("HF_HUB_OFFLINE", "1");
    await assertRejects(() => locateOnHub(MAIN), DownloadError, "HF_HUB_OFFLINE is set");
  });
});
