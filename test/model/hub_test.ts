import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { Model } from "../../lib/engine/model.ts";
import { locateOnHub } from "../../lib/model/hub.ts";
import { locateModel } from "../../lib/model/location.ts";
import { DownloadError, ModelFormatError } from "../../ffi/errors.ts";
import { fromRoot, runScript } from "../ffi/child.ts";
import { assertWeights, COMMIT, repository, text, tree, withHub } from "./hub_fixture.ts";
import { checksum, type HubServer } from "./hub_server.ts";

const MAIN = { name: "org/name", revision: "main" };
const API = ["/api/models/org/name/revision/main", `/api/models/org/name/tree/${COMMIT}`];

/** Logits after a few ids. */
async function logits(ref: string): Promise<Float32Array> {
  const model = await Model.load(ref, { precision: { kv: "f32" } });
  try {
    const session = model.session();
    await session.prefill(Int32Array.from({ length: 20 }, (_, x) => (x * 7) % 88));
    return (await session.step()).logits;
  } finally {
    model.close();
  }
}

for (const checkpoint of ["llama", "qwen2"]) {
  Deno.test(`Model.load() of a hub's ${checkpoint} has the logits of the same folder on disk`, async () => {
    await withHub(async ({ hub, folder }) => {
      const repo = await repository(checkpoint);
      hub.repositories.set("tiny/model", repo);
      const plain = join(folder, "plain");
      await Deno.mkdir(plain);
      for (const [name, bytes] of Object.entries(repo.files)) {
        await Deno.writeFile(join(plain, name), bytes);
      }
      assertEquals(await logits("tiny/model"), await logits(plain));
    });
  });
}

Deno.test("locateOnHub() lays the cache out as designed and leaves nothing else", async () => {
  await withHub(async ({ hub, cache }) => {
    const repo = hub.repositories.get("org/name")!;
    repo.files["pytorch_model.bin"] = text("a pickle");
    repo.files["modeling_name.py"] = text("print('code')");
    const snapshot = await locateOnHub(MAIN);
    assertEquals(snapshot, join(cache, "models--org--name/snapshots", COMMIT));
    const expected: Record<string, string | number> = { "refs/main": COMMIT.length };
    for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
      add(name);
    }
    add("model.safetensors");
    assertEquals(await tree(join(cache, "models--org--name")), expected);
    function add(name: string): void {
      const etag = checksum(repo, name);
      expected[`blobs/${etag}`] = repo.files[name]!.length;
      expected[`snapshots/${COMMIT}/${name}`] = `../../blobs/${etag}`;
    }
  });
});

Deno.test("locateOnHub() fetches every file that models are made of, and each once", async () => {
  await withHub(async ({ hub }) => {
    const repo = hub.repositories.get("org/name")!;
    const more = ["generation_config.json", "special_tokens_map.json", "chat_template.jinja"]
      .concat(["chat_template.json", "additional_chat_templates/tools.jinja"]);
    for (const name of more) repo.files[name] = text(`{"name": "${name}"}`);
    const snapshot = await locateOnHub(MAIN);
    const links = await tree(snapshot);
    const names = Object.keys(links).sort();
    assertEquals(names, Object.keys(repo.files).sort());
    for (const name of names) {
      assertEquals(hub.fetched(name), 1, name);
      assertEquals(await Deno.readFile(join(snapshot, name)), repo.files[name]!, name);
      assert(String(links[name]).startsWith(name.includes("/") ? "../../../blobs" : "../../blobs"));
    }
  });
});

Deno.test("locateOnHub() of a model that is cached asks for the commit and its files, and no bytes", async () => {
  await withHub(async ({ hub }) => {
    const first = await locateOnHub(MAIN);
    hub.seen.length = 0;
    assertEquals(await locateOnHub(MAIN), first);
    assertEquals(hub.paths(), API);
    hub.seen.length = 0;
    assertEquals(await locateOnHub({ ...MAIN, revision: COMMIT }), first);
    assertEquals(hub.paths(), API.slice(1));
  });
});

Deno.test("locateOnHub() follows a branch to its new commit and fetches only what changed", async () => {
  await withHub(async ({ hub, cache }) => {
    const old = await locateOnHub(MAIN);
    const repo = hub.repositories.get("org/name")!;
    repo.commit = "f".repeat(40);
    repo.files["tokenizer_config.json"] = text("{}");
    hub.seen.length = 0;
    const snapshot = await locateOnHub(MAIN);
    assertEquals(snapshot, join(cache, "models--org--name/snapshots", repo.commit));
    assertEquals(hub.paths().filter((path) => path.includes("/resolve/")), [
      `/org/name/resolve/${repo.commit}/tokenizer_config.json`,
    ]);
    await assertWeights(snapshot);
    assert((await Deno.readTextFile(join(old, "tokenizer_config.json"))) !== "{}");
  });
});

Deno.test("locateOnHub() replaces a cached file whose size is not the hub's", async () => {
  await withHub(async ({ hub }) => {
    const snapshot = await locateOnHub(MAIN);
    await Deno.truncate(await Deno.realPath(join(snapshot, "model.safetensors")), 10);
    await locateOnHub(MAIN);
    await assertWeights(snapshot);
    assertEquals(hub.fetched("model.safetensors"), 2);
  });
});

Deno.test("locateModel() takes the revision from the reference or from its option", async () => {
  await withHub(async ({ hub, cache }) => {
    for (const revision of ["v1.0", "refs/pr/1"]) {
      hub.revisions.add(revision);
      const expected = {
        name: "org/name",
        path: join(cache, "models--org--name/snapshots", COMMIT),
        source: "hub",
      } as const;
      assertEquals(await locateModel(`org/name@${revision}`), expected);
      assertEquals(await locateModel("org/name", { revision }), expected);
      assertEquals(await locateModel(`org/name@${revision}`, { revision }), expected);
      const ref = join(cache, "models--org--name/refs", revision);
      assertEquals(await Deno.readTextFile(ref), COMMIT);
    }
  });
});

const wrongReferences: [ref: string | undefined, revision: string | undefined, message: string][] =
  [
    ["org/name@a", "b", "its revision is said to be"],
    ["org/name@../../x", undefined, "the revision must be a branch"],
    ["org/name", "/etc/passwd", "the revision must be a branch"],
    ["org/name@", undefined, "the revision must be a branch"],
    ["org/na--me", undefined, "the folder must exist"],
    ["org/..", undefined, "must hold config.json"],
    [undefined, "main", "only org/name of the hub has a revision"],
  ];

for (const [ref, revision, message] of wrongReferences) {
  Deno.test(`locateModel() refuses ${ref} with the revision ${revision} and asks nobody`, async () => {
    await withHub(async ({ hub }) => {
      await assertRejects(() => locateModel(ref, { revision }), ModelFormatError, message);
      assertEquals(hub.seen, []);
    });
  });
}

Deno.test("HF_HUB_OFFLINE: what is cached is found without a request, and the rest is refused", async () => {
  for (const value of ["1", "true", "ON", "yes"]) {
    await withHub(async ({ hub, cache }) => {
      const offline = () => locateOnHub(MAIN);
      const error = await assertRejects(offline, DownloadError, "HF_HUB_OFFLINE is set");
      assertEquals([error.reason, hub.seen.length], ["offline", 0]);
      Deno.env.delete("HF_HUB_OFFLINE");
      const snapshot = await locateOnHub(MAIN);
      hub.seen.length = 0;
      Deno.env.set("HF_HUB_OFFLINE", value);
      assertEquals(await locateOnHub(MAIN), snapshot);
      await Deno.remove(join(snapshot, "tokenizer.json"));
      await assertRejects(offline, DownloadError, `no tokenizer.json in ${cache}`);
      assertEquals(hub.seen, []);
    }, { HF_HUB_OFFLINE: value });
  }
});

Deno.test("locateOnHub() misses a shard that the cache lacks", async () => {
  await withHub(async ({ hub }) => {
    hub.repositories.set("tiny/model", await repository("qwen2"));
    const reference = { name: "tiny/model", revision: "main" };
    const snapshot = await locateOnHub(reference);
    const shard = "model-00002-of-00002.safetensors";
    await Deno.remove(join(snapshot, shard));
    Deno.env.set("HF_HUB_OFFLINE", "1");
    await assertRejects(() => locateOnHub(reference), DownloadError, `no ${shard} in`);
  });
});

const troubles: [name: string, trouble: (hub: HubServer) => Promise<void> | void][] = [
  ["is not reached", (hub) => hub.close()],
  ["fails", (hub) => void (hub.intercept = () => new Response(null, { status: 503 }))],
  ["forgot the model", (hub) => void hub.repositories.clear()],
  ["is silent", (hub) => void (hub.intercept = () => silentAnswer())],
];

/** Headers, and never a body. */
function silentAnswer(): Response {
  return new Response(new ReadableStream({ start() {} }), { headers: { "x-a": "b" } });
}

for (const [name, trouble] of troubles) {
  Deno.test(`locateOnHub() takes the cached copy, and says so, where the hub ${name}`, async () => {
    await withHub(async ({ hub }) => {
      const snapshot = await locateOnHub(MAIN);
      await trouble(hub);
      const notices: string[] = [];
      const onNotice = (text: string) => void notices.push(text);
      assertEquals(await locateOnHub(MAIN, { onNotice, retryMs: 1, stallMs: 300 }), snapshot);
      assertEquals(notices.length, 1);
      assertStringIncludes(notices[0]!, "Takes the cached copy: Cannot download org/name@main");
      hub.intercept = () => new Response(null, { status: 404 }); // so that the silent end
    });
  });
}

Deno.test("two loads at once fetch each file once, and the second says that it waits", async () => {
  await withHub(async ({ hub }) => {
    const notices: string[] = [];
    const onNotice = (text: string) => void notices.push(text);
    const both = await Promise.all([
      locateOnHub(MAIN, { onNotice }),
      locateOnHub(MAIN, { onNotice }),
    ]);
    assertEquals(both[0], both[1]);
    for (const name of Object.keys(hub.repositories.get("org/name")!.files)) {
      assertEquals(hub.fetched(name), 1, name);
    }
    assert(notices.some((text) => text.startsWith("Waits for another download of")), `${notices}`);
  });
});

Deno.test("with flags that name folders and hosts a model is fetched once and found again", async () => {
  await withHub(async ({ hub, cache }) => {
    const script = `
      import { locateModel } from "${fromRoot("lib/model/location.ts")}";
      console.log((await locateModel("org/name", { onNotice: console.error })).path);
    `;
    const flags = [
      `--import-map=${fromRoot("deno.json")}`,
      `--allow-net=${new URL(hub.url).host},${new URL(hub.cdn).host}`,
      `--allow-read=${cache}`,
      `--allow-write=${cache}`,
      "--allow-env=HF_*,HOME",
      "--allow-sys=statfs",
    ];
    const env = { HF_HUB_CACHE: cache, HF_TOKEN: "hf_a", HF_ENDPOINT: hub.url };
    const deno = { DENO_DIR: Deno.env.get("DENO_DIR"), HOME: Deno.env.get("HOME") };
    const known = Object.entries(deno).filter((entry): entry is [string, string] => !!entry[1]);
    for (let time = 0; time < 2; time++) {
      const options = { flags, env: { ...env, ...Object.fromEntries(known) } };
      const { stdout, stderr } = await runScript(script, options);
      assertEquals([stdout, stderr], [join(cache, "models--org--name/snapshots", COMMIT), ""]);
      await assertWeights(stdout);
      assertEquals(hub.fetched("model.safetensors"), 1);
    }
  });
});
