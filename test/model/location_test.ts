import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DownloadError, ModelFormatError } from "../../ffi/errors.ts";
import { fetchFiles, type FileDigest, sha256 } from "../../lib/model/embedded_files.ts";
import files from "../../lib/model/embedded/files.json" with { type: "json" };
import { locateModel } from "../../lib/model/location.ts";
import { fixture } from "./fixtures.ts";

/** Runs with a temporary folder, with environment variables that point into it, and without asking the hub. */
async function within(
  variables: Record<string, string>,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const names = [...Object.keys(variables), "HF_HUB_OFFLINE"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  try {
    setEnv("HF_HUB_OFFLINE", "1");
    for (const [name, path] of Object.entries(variables)) setEnv(name, path && join(folder, path));
    await run(folder);
  } finally {
    for (const [name, value] of before) setEnv(name, value);
    await Deno.remove(folder, { recursive: true });
  }
}

function setEnv(name: string, value: string | undefined): void {
  if (value) Deno.env.set(name, value);
  else Deno.env.delete(name);
}

Deno.test("locateModel() finds a folder by path and by URL", async () => {
  const folder = fixture("llama");
  const expected = { name: "llama", path: folder, source: "folder" } as const;
  assertEquals(await locateModel(folder), expected);
  assertEquals(await locateModel(pathToFileURL(folder)), expected);
  assertEquals(await locateModel(pathToFileURL(folder).href), expected);
});

Deno.test("locateModel() without a reference is the embedded model", async () => {
  const { name, path, source } = await locateModel();
  assertEquals([name, source], ["embedded", "embedded"]);
  assertEquals(path, join(fixture(""), "../../../lib/model/embedded"));
});

Deno.test("locateModel() finds a GGUF file, and the first of a split model by any of them", async () => {
  const whole = fixture("gguf/llama.gguf");
  assertEquals(await locateModel(whole), { name: "llama.gguf", path: whole, source: "gguf" });
  const [first, second] = ["00001", "00002"].map((part) =>
    fixture(`gguf/qwen2-${part}-of-00002.gguf`)
  );
  const { path, source } = await locateModel(pathToFileURL(second!));
  assertEquals([path, source], [first, "gguf"]);
  const absent = fixture("gguf/absent.gguf");
  await assertRejects(() => locateModel(absent), ModelFormatError, "the file must exist");
});

Deno.test("locateModel() takes the only GGUF model of a folder without config.json", async () => {
  await within({}, async (folder) => {
    for (const part of ["00001", "00002"]) {
      const name = `qwen2-${part}-of-00002.gguf`;
      await Deno.copyFile(fixture(`gguf/${name}`), join(folder, name));
    }
    const { path, source } = await locateModel(folder);
    assertEquals([path, source], [join(folder, "qwen2-00001-of-00002.gguf"), "gguf"]);
    await Deno.copyFile(fixture("gguf/llama.gguf"), join(folder, "llama.gguf"));
    await assertRejects(() => locateModel(folder), ModelFormatError, "more than one GGUF model");
  });
});

Deno.test("locateModel() refuses folders that are absent or hold no config.json", async () => {
  await within({}, async (folder) => {
    await assertRejects(() => locateModel(folder), ModelFormatError, "must hold config.json");
    await assertRejects(
      () => locateModel(`${folder}/x`),
      ModelFormatError,
      "the folder must exist",
    );
    await assertRejects(
      () => locateModel("https://example.org/x"),
      ModelFormatError,
      "must start with file:",
    );
  });
});

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

async function fillHubCache(cache: string, commit: string): Promise<string> {
  const repository = join(cache, "models--org--name");
  const snapshot = join(repository, "snapshots", COMMIT);
  await Deno.mkdir(snapshot, { recursive: true });
  await Deno.mkdir(join(repository, "refs"));
  await Deno.writeTextFile(join(repository, "refs/main"), commit);
  for (const name of ["config.json", "tokenizer.json", "model.safetensors"]) {
    await Deno.writeTextFile(join(snapshot, name), "{}");
  }
  return snapshot;
}

const places: [variables: Record<string, string>, cache: string][] = [
  [{ HF_HUB_CACHE: "a", HF_HOME: "b" }, "a"],
  [{ HF_HUB_CACHE: "", HF_HOME: "b" }, "b/hub"],
  [{ HF_HUB_CACHE: "", HF_HOME: "", XDG_CACHE_HOME: "c" }, "c/huggingface/hub"],
  [
    { HF_HUB_CACHE: "", HF_HOME: "", XDG_CACHE_HOME: "", HOME: "d" },
    "d/.cache/huggingface/hub",
  ],
];

for (const [variables, cache] of places) {
  Deno.test(`locateModel() finds org/name in the hub cache ${cache}`, async () => {
    await within(variables, async (folder) => {
      const snapshot = await fillHubCache(join(folder, cache), COMMIT);
      const expected = { name: "org/name", path: snapshot, source: "hub" } as const;
      assertEquals(await locateModel("org/name"), expected);
    });
  });
}

Deno.test("locateModel() knows no cache without HOME and HF_HOME", async () => {
  const unset = { HF_HUB_CACHE: "", HF_HOME: "", XDG_CACHE_HOME: "", HOME: "" };
  await within(unset, async () => {
    await assertRejects(() => locateModel("org/absent"), DownloadError, "no cache folder is known");
  });
});

Deno.test("locateModel() does not follow a revision out of the cache", async () => {
  await within({ HF_HUB_CACHE: "hub" }, async (folder) => {
    await fillHubCache(join(folder, "hub"), "../../..");
    await assertRejects(() => locateModel("org/name"), ModelFormatError, "must hold a commit");
  });
});

interface Served {
  readonly base: URL;
  readonly requests: string[];
}

/** Runs with a server of `files`, which answers 404 for others. */
async function serving(
  files: Record<string, string>,
  run: (served: Served) => Promise<void>,
): Promise<void> {
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const name = new URL(request.url).pathname.slice(1);
    requests.push(name);
    return name in files ? new Response(files[name]!) : new Response(null, { status: 404 });
  });
  try {
    await run({ base: new URL(`http://127.0.0.1:${server.addr.port}/`), requests });
  } finally {
    await server.shutdown();
  }
}

async function digestsOf(files: Record<string, string>): Promise<Record<string, FileDigest>> {
  const digests: Record<string, FileDigest> = {};
  for (const [name, text] of Object.entries(files)) {
    const bytes = new TextEncoder().encode(text);
    digests[name] = { sha256: await sha256(bytes), sizeBytes: bytes.length };
  }
  return digests;
}

const FILES = { "a.json": "{}", "b.bin": "some bytes" };

Deno.test("fetchFiles() fetches what is missing or damaged, once, and leaves nothing else", async () => {
  await within({}, async (folder) => {
    const cache = join(folder, "new/cache");
    await serving(FILES, async ({ base, requests }) => {
      await fetchFiles(base, await digestsOf(FILES), cache);
      await fetchFiles(base, await digestsOf(FILES), cache);
      assertEquals(requests, ["a.json", "b.bin"]);
      await Deno.writeTextFile(join(cache, "b.bin"), "evil bytes");
      await fetchFiles(base, await digestsOf(FILES), cache);
      assertEquals(requests.at(-1), "b.bin");
    });
    assertEquals(await Deno.readTextFile(join(cache, "b.bin")), "some bytes");
    assertEquals([...Deno.readDirSync(cache)].map(({ name }) => name).sort(), ["a.json", "b.bin"]);
  });
});

const lies: [name: string, served: Record<string, string>, message: string][] = [
  ["is absent", {}, "current value is 404"],
  ["differs", { "a.json": "[]" }, "SHA-256"],
  ["is longer", { "a.json": "{}".repeat(100_000) }, "must have 2 bytes"],
  ["is shorter", { "a.json": "{" }, "must have 2 bytes"],
];

for (const [name, served, message] of lies) {
  Deno.test(`fetchFiles() refuses a file that ${name}`, async () => {
    await within({}, async (folder) => {
      await serving(served, async ({ base }) => {
        const digests = await digestsOf({ "a.json": "{}" });
        await assertRejects(() => fetchFiles(base, digests, folder), DownloadError, message);
      });
      assertEquals([...Deno.readDirSync(folder)], []);
    });
  });
}

Deno.test("fetchFiles() names a server that does not answer", async () => {
  await within({}, async (folder) => {
    const digests = await digestsOf({ "a.json": "{}" });
    const base = new URL("http://127.0.0.1:1/");
    await assertRejects(() => fetchFiles(base, digests, folder), DownloadError, "request failed");
  });
});

Deno.test("the embedded model is what files.json lists", async () => {
  const { path: folder } = await locateModel();
  const listed: Record<string, FileDigest> = files;
  assert(Object.keys(listed).length > 0);
  for (const [name, { sha256: digest, sizeBytes }] of Object.entries(listed)) {
    const bytes = await Deno.readFile(join(folder, name));
    assertEquals([await sha256(bytes), bytes.length], [digest, sizeBytes], name);
  }
});
