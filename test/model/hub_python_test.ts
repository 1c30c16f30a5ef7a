/** The cache as Python's library sees it; skipped where there is no Python with huggingface_hub (`LONGLENS_PYTHON` names one). */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { locateOnHub } from "../../lib/model/hub.ts";
import { COMMIT, type HubTest, repository, tree, withHub } from "./hub_fixture.ts";

const PYTHON = Deno.env.get("LONGLENS_PYTHON") ?? "python3";
const REFERENCE = { name: "tiny/model", revision: "main" };

const DOWNLOAD = `
import sys
from huggingface_hub import snapshot_download
print(snapshot_download("tiny/model", local_files_only=sys.argv[1] == "local", max_workers=1))
`;

const LOCK = `
import sys
from huggingface_hub.utils import WeakFileLock
with WeakFileLock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
`;

async function python(script: string, ...args: string[]): Promise<string> {
  const command = new Deno.Command(PYTHON, { args: ["-c", script, ...args], stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

const hasHub = await python("import huggingface_hub").then(() => true, () => false);
if (!hasHub) {
  console.log(`Skipped: ${PYTHON} has no huggingface_hub; LONGLENS_PYTHON names another`);
}

function shared(name: string, fn: (test: HubTest) => Promise<void>): void {
  const run = (test: HubTest) =>
    repository("qwen2").then((repo) => {
      test.hub.repositories.set("tiny/model", repo);
      return fn(test);
    });
  Deno.test({ name, ignore: !hasHub, fn: () => withHub(run) });
}

/** What makes up a cached repository: notes that only Python keeps are left out. */
async function layout({ cache }: HubTest): Promise<Record<string, string | number>> {
  const found = Object.entries(await tree(join(cache, "models--tiny--model")));
  return Object.fromEntries(found.filter(([path]) => /^(?:blobs|refs|snapshots)\//.test(path)));
}

shared("snapshot_download() finds what locateOnHub() fetched", async () => {
  const folder = await locateOnHub(REFERENCE);
  assertEquals(await python(DOWNLOAD, "local"), folder);
});

shared(
  "locateOnHub() finds what snapshot_download() fetched, and asks for no bytes",
  async ({ hub }) => {
    const folder = await python(DOWNLOAD, "remote");
    hub.seen.length = 0;
    assertEquals(await locateOnHub(REFERENCE), folder);
    assertEquals(hub.paths().filter((path) => path.includes("/resolve/")), []);
    Deno.env.set("HF_HUB_OFFLINE", "1");
    assertEquals(await locateOnHub(REFERENCE), folder);
  },
);

shared("locateOnHub() lays files out as snapshot_download() does", async (test) => {
  await locateOnHub(REFERENCE);
  const ours = await layout(test);
  await Deno.remove(test.cache, { recursive: true });
  await python(DOWNLOAD, "remote");
  assertEquals(ours, await layout(test));
  assert(`refs/main` in ours && `snapshots/${COMMIT}/config.json` in ours);
});

shared("locateOnHub() waits for a download of Python's", async ({ hub, cache }) => {
  await locateOnHub(REFERENCE);
  const name = "tokenizer.json";
  const path = join(cache, "models--tiny--model/snapshots", COMMIT, name);
  const etag = (await Deno.readLink(path)).split("/").at(-1)!;
  await Deno.remove(path);
  const lock = join(cache, ".locks/models--tiny--model", `${etag}.lock`);
  const command = new Deno.Command(PYTHON, {
    args: ["-c", LOCK, lock],
    stdin: "piped",
    stdout: "piped",
  });
  await using holder = command.spawn();
  const reader = holder.stdout.getReader();
  await reader.read();
  const notices: string[] = [];
  const onNotice = (text: string) => {
    notices.push(text);
    holder.stdin.close();
  };
  await locateOnHub(REFERENCE, { onNotice });
  assertEquals(notices, [`Waits for another download of ${name} of tiny/model@main`]);
  assertEquals(hub.fetched(name), 1);
  await reader.cancel();
  await holder.status;
});
