import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { DownloadError, type DownloadReason, ModelFormatError } from "../../ffi/errors.ts";
import { type HubOptions, locateOnHub } from "../../lib/model/hub.ts";
import { locateModel } from "../../lib/model/location.ts";
import { fromRoot, runScript } from "../ffi/child.ts";
import {
  assertWeights,
  COMMIT,
  type HubTest,
  repository,
  setEnv,
  text,
  tree,
  withHub,
} from "./hub_fixture.ts";
import { type Intercept, refuse, type Seen } from "./hub_server.ts";

const MAIN = { name: "org/name", revision: "main" };
const QUICK: HubOptions = { retryMs: 1, attempts: 3 };
const TOKEN = "hf_oneThatNobodyMaySee";

/** An address where nobody listens. */
const CLOSED = closedAddress();

function closedAddress(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${listener.addr.port}`;
}

/** Answers with `status` where bytes of a file are asked for at the hub. */
function onFiles(status: number, code: string): Intercept {
  return ({ to, path }) =>
    to === "hub" && path.includes("/resolve/") ? refuse(status, code) : undefined;
}

interface Refusal {
  readonly name: string;
  readonly token?: string;
  readonly intercept?: Intercept;
  readonly reference?: { name: string; revision: string };
  readonly reason: DownloadReason;
  readonly says: readonly string[];
  readonly requests?: number;
}

const refusals: readonly Refusal[] = [
  {
    name: "a repository that nobody may see",
    reference: { name: "org/private", revision: "main" },
    reason: "unauthorised",
    says: ["org/private@main", "does not exist, is private or is gated", "set HF_TOKEN"],
    requests: 1,
  },
  {
    name: "a gated model without a token",
    intercept: onFiles(401, "GatedRepo"),
    reason: "unauthorised",
    says: ["accept its terms at http", "/org/name and set HF_TOKEN", "/settings/tokens"],
    requests: 3,
  },
  {
    name: "a token that is wrong",
    token: TOKEN,
    intercept: () => refuse(401, ""),
    reason: "unauthorised",
    says: ["must accept the token of HF_TOKEN", "wrong or has expired"],
  },
  {
    name: "a gated model whose terms are not accepted",
    token: TOKEN,
    intercept: onFiles(403, "GatedRepo"),
    reason: "unauthorised",
    says: ["the account of the token of HF_TOKEN must have access", "accept its terms at http"],
  },
  {
    name: "a repository that is not there",
    intercept: () => refuse(404, "RepoNotFound"),
    reason: "not-found",
    says: [
      "the hub must have the repository",
      "404 for http",
      "/api/models/org/name/revision/main",
    ],
  },
  {
    name: "a revision that is not there",
    reference: { name: "org/name", revision: "absent" },
    reason: "not-found",
    says: ["org/name@absent", "the hub must have the revision"],
  },
  {
    name: "a file that is not there",
    intercept: onFiles(404, "EntryNotFound"),
    reason: "not-found",
    says: ["the hub must have the file", "config.json"],
  },
  {
    name: "a hub that fails again and again",
    intercept: () => refuse(503, ""),
    reason: "network",
    says: ["503 for"],
    requests: 3,
  },
  {
    name: "a hub that has had enough of us",
    intercept: () => refuse(429, ""),
    reason: "network",
    says: ["429 for"],
    requests: 3,
  },
  {
    name: "a portal that answers everything with a page",
    intercept: () => new Response("<html>Log in to this network</html>"),
    reason: "failed",
    says: ["the transfer failed"],
    requests: 1,
  },
];

for (const { name, token, intercept, reference = MAIN, reason, says, requests } of refusals) {
  Deno.test(`locateOnHub() explains ${name}`, async () => {
    await withHub(async ({ hub, cache }) => {
      if (intercept) hub.intercept = intercept;
      const error = await assertRejects(() => locateOnHub(reference, QUICK), DownloadError);
      assertEquals(error.reason, reason, error.message);
      for (const part of says) assertStringIncludes(error.message, part);
      assert(!Deno.inspect(error).includes(TOKEN), "the token is in the error");
      if (requests !== undefined) assertEquals(hub.seen.length, requests);
      assertEquals(await weightsIn(cache), []);
    }, token ? { HF_TOKEN: token } : {});
  });
}

async function weightsIn(cache: string): Promise<string[]> {
  const found = await tree(cache).catch(() => ({}));
  return Object.keys(found).filter((path) => /\.safetensors$/.test(path));
}

Deno.test("locateOnHub() asks again what was answered with a 500", async () => {
  await withHub(async ({ hub }) => {
    const failed = new Set<string>();
    hub.intercept = ({ to, path }: Seen) => {
      if (to === "cdn" || failed.has(path)) return undefined;
      failed.add(path);
      return refuse(500, "");
    };
    await locateOnHub(MAIN, QUICK);
    assertEquals(hub.paths("hub"), [...failed].flatMap((path) => [path, path]));
  });
});

Deno.test("locateOnHub() names a hub that is not reached", async () => {
  await withHub(async () => {
    const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
    assertEquals(error.reason, "network");
  }, { HF_ENDPOINT: CLOSED });
});

Deno.test("locateOnHub() refuses an HF_ENDPOINT that is no address", async () => {
  await withHub(async () => {
    await assertRejects(() => locateOnHub(MAIN), DownloadError, "HF_ENDPOINT must be");
  }, { HF_ENDPOINT: "file:///etc" });
});

const hiding: [name: string, endpoint: (url: string) => string, intercept: Intercept][] = [
  ["wants a token", (url) => url, () => refuse(401, "")],
  ["wants its terms accepted", (url) => url, onFiles(403, "GatedRepo")],
  ["has no such model", (url) => url, () => refuse(404, "RepoNotFound")],
  ["fails", (url) => url, () => refuse(503, "")],
  ["answers with a page", (url) => url, () => new Response("<html>")],
  ["is not reached", () => CLOSED, () => undefined],
  ["has no protocol", (url) => url.replace("http://", ""), () => undefined],
  ["has no such port", () => "https://127.0.0.1:99999", () => undefined],
];

for (const [name, endpoint, intercept] of hiding) {
  Deno.test(`the password of a hub's address is not shown where the hub ${name}`, async () => {
    await withHub(async ({ hub }) => {
      hub.intercept = intercept;
      const address = endpoint(hub.url);
      const login = "user:pa'ss@secret@";
      const known = /^https?:/.test(address);
      setEnv("HF_ENDPOINT", known ? address.replace("//", `//${login}`) : `${login}${address}`);
      const notices: string[] = [];
      const options = { ...QUICK, onNotice: (text: string) => void notices.push(text) };
      const error = await assertRejects(() => locateOnHub(MAIN, options), DownloadError);
      const shown = [Deno.inspect(error), ...notices].join("\n");
      for (const part of ["pa'ss", "secret"]) assert(!shown.includes(part), shown);
    });
  });
}

Deno.test("locateOnHub() fetches from a hub whose address has a password", async () => {
  await withHub(async ({ hub }) => {
    setEnv("HF_ENDPOINT", hub.url.replace("//", "//user:word@"));
    await assertWeights(await locateOnHub(MAIN));
    const sent = hub.seen.filter(({ to }) => to === "hub").map(({ headers }) => headers);
    const login = `Basic ${btoa("user:word")}`;
    assertEquals(new Set(sent.map((one) => one.get("authorization"))), new Set([login]));
  });
});

Deno.test("locateOnHub() names the flag that is missing", async () => {
  await withHub(async ({ hub, cache }) => {
    const script = `
      import { locateModel } from "${fromRoot("lib/model/location.ts")}";
      await locateModel("org/name").catch(({ reason, message }) => console.log(reason, message));
    `;
    const flags = [
      `--import-map=${fromRoot("deno.json")}`,
      `--allow-read=${cache}`,
      "--allow-env=HF_*",
    ];
    const { HOME, DENO_DIR = `${HOME}/.cache/deno` } = Deno.env.toObject();
    const env = { HF_HUB_CACHE: cache, HF_TOKEN: "hf_a", HF_ENDPOINT: hub.url, DENO_DIR };
    const { stdout, stderr } = await runScript(script, { flags, env });
    assertStringIncludes(stdout, "permission Cannot download org/name@main", stderr);
    assertStringIncludes(stdout, `no --allow-net=${new URL(hub.url).host}`);
  });
});

Deno.test("the token goes to the hub with every request, and never to its CDN", async () => {
  await withHub(async ({ hub }) => {
    hub.repositories.get("org/name")!.xet = true;
    await locateOnHub(MAIN);
    Deno.env.set("HF_HUB_DISABLE_XET", "1");
    hub.repositories.get("org/name")!.commit = "a".repeat(40);
    hub.repositories.get("org/name")!.files["model.safetensors"] = new Uint8Array(10);
    await locateOnHub(MAIN);
    for (const { to, path, headers } of hub.seen) {
      const found = headers.get("authorization");
      if (to === "hub") assertEquals(found, `Bearer ${TOKEN}`, path);
      else assert(!found?.includes(TOKEN), path);
    }
    assert(hub.paths("cdn").length >= 3);
  }, { HF_TOKEN: TOKEN });
});

Deno.test("without a token requests to the hub have no Authorization", async () => {
  await withHub(async ({ hub }) => {
    await locateOnHub(MAIN);
    assert(hub.seen.every(({ headers }) => !headers.has("authorization")));
  });
});

Deno.test("the token is read from HF_TOKEN_PATH, or from HF_HOME", async () => {
  for (const name of ["chosen", "home/token"]) {
    await withHub(async ({ hub, folder }) => {
      await Deno.mkdir(join(folder, "home"));
      await Deno.writeTextFile(join(folder, name), `${TOKEN}\n`);
      if (name === "chosen") Deno.env.set("HF_TOKEN_PATH", join(folder, name));
      hub.intercept = () => refuse(401, "");
      const error = await assertRejects(() => locateOnHub(MAIN), DownloadError);
      assertStringIncludes(error.message, `the token of ${join(folder, name)}`);
      assertEquals(hub.seen[0]!.headers.get("authorization"), `Bearer ${TOKEN}`);
    });
  }
});

Deno.test("a token that is no token is refused without being shown", async () => {
  await withHub(async ({ hub }) => {
    const error = await assertRejects(() => locateOnHub(MAIN), DownloadError);
    assertStringIncludes(error.message, "the token of HF_TOKEN");
    assert(!error.message.includes("hf_secret"));
    assertEquals(hub.seen, []);
  }, { HF_TOKEN: "hf_secret\nX-Other: header" });
});

const leaks: [name: string, location: (test: HubTest) => string][] = [
  ["a file", ({ folder }) => `file://${folder}/secret`],
  ["a data URL", () => "data:text/plain,hello"],
  ["itself, for ever", ({ hub }) => `${hub.url}/org/name/resolve/${COMMIT}/config.json`],
];

for (const [name, location] of leaks) {
  Deno.test(`a redirect to ${name} is not followed`, async () => {
    await withHub(async (test) => {
      const headers = { location: location(test) };
      test.hub.intercept = ({ path }) =>
        path.includes("/resolve/") ? new Response(null, { status: 302, headers }) : undefined;
      const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
      assertEquals(error.reason, "failed", error.message);
    });
  });
}

const unreachable: [name: string, intercept: Intercept, says: string][] = [
  ["has expired", ({ to }) => to === "cdn" ? refuse(403, "") : undefined, "403"],
  ["does not answer", ({ path }) => {
    const headers = { location: `${CLOSED}/file?X-Signature=secret` };
    const isFile = path.endsWith("/model.safetensors");
    return isFile ? new Response(null, { status: 302, headers }) : undefined;
  }, `${CLOSED}/file`],
];

for (const [name, intercept, says] of unreachable) {
  Deno.test(`an address of a file that ${name} is named without its signature`, async () => {
    await withHub(async ({ hub }) => {
      hub.intercept = intercept;
      const error = await assertRejects(() => locateOnHub(MAIN, QUICK), DownloadError);
      assertEquals(error.reason, "network");
      assertStringIncludes(error.message, says);
      assert(!Deno.inspect(error).includes("secret"), Deno.inspect(error));
    });
  });
}

Deno.test("locateOnHub() refuses a repository without safetensors before it fetches anything", async () => {
  await withHub(async ({ hub }) => {
    const { files } = hub.repositories.get("org/name")!;
    files["pytorch_model.bin"] = files["model.safetensors"]!;
    delete files["model.safetensors"];
    const error = await assertRejects(() => locateOnHub(MAIN), DownloadError);
    assertEquals(error.reason, "incomplete");
    assertStringIncludes(error.message, "must hold model.safetensors or its index");
    assertStringIncludes(error.message, "pytorch_model.bin");
    assertEquals(hub.fetched("config.json"), 0);
  });
});

for (const name of ["config.json", "tokenizer.json"]) {
  Deno.test(`locateOnHub() refuses a repository without ${name}`, async () => {
    await withHub(async ({ hub }) => {
      delete hub.repositories.get("org/name")!.files[name];
      const error = await assertRejects(() => locateOnHub(MAIN), DownloadError);
      assertEquals(error.reason, "incomplete");
      assertStringIncludes(error.message, `must hold ${name}`);
    });
  });
}

Deno.test("locateOnHub() refuses a model that is not supported before its weights come", async () => {
  await withHub(async ({ hub }) => {
    hub.repositories.get("org/name")!.files["config.json"] = text(`{"model_type": "other"}`);
    await assertRejects(() => locateOnHub(MAIN), ModelFormatError);
    assertEquals([hub.fetched("config.json"), hub.fetched("model.safetensors")], [1, 0]);
  });
});

const evils: [name: string, prepare: (test: HubTest) => Promise<void> | void, says: string][] = [
  ["an index that leads out of the folder", async ({ hub }) => {
    const repo = await repository("qwen2");
    const index = JSON.stringify({ weight_map: { a: "../../../evil.safetensors" } });
    repo.files["model.safetensors.index.json"] = text(index);
    repo.files["../../../evil.safetensors"] = text("evil");
    hub.repositories.set("org/name", repo);
  }, "must be in a plain .safetensors file of the folder"],
  ["an index that names what is not listed", async ({ hub }) => {
    const repo = await repository("qwen2");
    delete repo.files["model-00002-of-00002.safetensors"];
    hub.repositories.set("org/name", repo);
  }, "its repository must hold model-00002-of-00002.safetensors"],
  ["a checksum that is a path", ({ hub }) => {
    listing(hub, [{ type: "file", path: "config.json", size: 1, oid: "../../../evil" }]);
  }, "a size and a checksum of config.json"],
  ["a size that is none", ({ hub }) => {
    listing(hub, [{ type: "file", path: "config.json", size: -1, oid: "0".repeat(40) }]);
  }, "a size and a checksum of config.json"],
  ["a commit that is a path", ({ hub }) => {
    hub.intercept = ({ path }) =>
      path.includes("/revision/") ? Response.json({ sha: "../../evil" }) : undefined;
  }, "the hub must name a commit"],
  ["a listing that is none", ({ hub }) => {
    hub.intercept = ({ path }) => path.includes("/tree/") ? Response.json({ a: 1 }) : undefined;
  }, "the transfer failed"],
];

function listing(hub: HubTest["hub"], files: readonly unknown[]): void {
  const others = ["tokenizer.json", "model.safetensors"].map((path) => ({
    type: "file",
    path,
    size: 1,
    oid: "0".repeat(40),
  }));
  hub.intercept = ({ path }) =>
    path.includes("/tree/") ? Response.json([...files, ...others]) : undefined;
}

for (const [name, prepare, says] of evils) {
  Deno.test(`locateOnHub() refuses ${name} and writes nothing outside the cache`, async () => {
    await withHub(async (test) => {
      await prepare(test);
      const error = await assertRejects(() => locateOnHub(MAIN, QUICK), Error);
      assert(error instanceof DownloadError || error instanceof ModelFormatError, `${error}`);
      assertStringIncludes(error.message, says);
      const found = Object.keys(await tree(test.folder));
      assertEquals(found.filter((path) => path.includes("evil")), []);
      assertEquals(await weightsIn(test.folder), []);
    });
  });
}

Deno.test("files whose names lead out of the folder are not fetched", async () => {
  await withHub(async ({ hub, folder, cache }) => {
    const { files } = hub.repositories.get("org/name")!;
    const evil = ["../evil.json", "/tmp/evil.json", "..\\evil.json", "a/config.json", "C:\\evil"]
      .concat(["additional_chat_templates/../../../evil.jinja"]);
    for (const name of evil) files[name] = text("{}");
    const { path: snapshot } = await locateModel("org/name");
    assertEquals([...Deno.readDirSync(snapshot)].length, Object.keys(files).length - evil.length);
    const outside = Object.keys(await tree(folder)).filter((path) =>
      !join(folder, path).startsWith(cache)
    );
    assertEquals(outside, []);
  });
});
