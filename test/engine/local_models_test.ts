import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { type LocalModel, models } from "../../lib/engine/local_models.ts";
import { fixture } from "../model/fixtures.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** Runs with a temporary folder and with environment variables that point into it. */
async function within(
  variables: Readonly<Record<string, string>>,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const all = ["HF_HUB_CACHE", "HF_HOME", "LLAMA_CACHE", "XDG_CACHE_HOME", "HOME"];
  const before = all.map((name) => [name, Deno.env.get(name)] as const);
  try {
    for (const name of all) {
      const value = variables[name];
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, join(folder, value));
    }
    await run(folder);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
    await Deno.remove(folder, { recursive: true });
  }
}

async function copy(from: string, to: string, names: readonly string[]): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const name of names) await Deno.copyFile(join(fixture(from), name), join(to, name));
}

const CHECKPOINT = ["config.json", "model.safetensors"];
const shown = ({ ref, format, architecture, contextLength, quantisation, problem }: LocalModel) => [
  ref,
  format,
  architecture,
  contextLength,
  quantisation,
  problem,
];

Deno.test("models() lists the caches of the hub and of llama.cpp, links and older commits too", async () => {
  const variables = { HF_HUB_CACHE: "hub", LLAMA_CACHE: "llama" };
  await within(variables, async (folder) => {
    const repository = join(folder, "hub/models--org--name");
    const older = COMMIT.replace("0", "f");
    await Deno.mkdir(join(repository, "blobs"), { recursive: true });
    for (const name of CHECKPOINT) {
      await Deno.copyFile(
        join(fixture("llama"), name),
        join(repository, "blobs", `of-${name.at(0)}`),
      );
    }
    for (const commit of [COMMIT, older]) {
      await Deno.mkdir(join(repository, "snapshots", commit), { recursive: true });
      for (const name of CHECKPOINT) {
        const link = join(repository, "snapshots", commit, name);
        await Deno.symlink(`../../blobs/of-${name.at(0)}`, link);
      }
    }
    await Deno.mkdir(join(repository, "refs"));
    await Deno.writeTextFile(join(repository, "refs/main"), COMMIT);
    await copy("gguf", join(folder, "llama"), ["phi3.gguf"]);
    const found = await models();
    assertEquals(found.map(shown), [
      ["org/name", "safetensors", "llama", 64, "F32", null],
      [`org/name@${older}`, "safetensors", "llama", 64, "F32", null],
      [join(folder, "llama/phi3.gguf"), "gguf", "phi3", 64, "BF16", null],
    ]);
  });
});

Deno.test("models() takes a split model for one, with the bytes of all its files", async () => {
  const names = ["qwen2-00001-of-00002.gguf", "qwen2-00002-of-00002.gguf"];
  await within({}, async (folder) => {
    await copy("gguf", folder, names);
    const [found, ...others] = await models({ folders: [folder] });
    assertEquals(others, []);
    assertEquals(found!.path, join(folder, names[0]!));
    const sizes = names.map((name) => Deno.statSync(join(folder, name)).size);
    assertEquals(found!.sizeBytes, sizes[0]! + sizes[1]!);
  });
});

Deno.test("models() counts weights, and keys and values of whole pages", async () => {
  const folders = [fixture("llama")];
  const [plain] = await models({ folders });
  const { size } = await Deno.stat(join(fixture("llama"), "model.safetensors"));
  const token = 2 * 2 * 8 * 2; // layers, KV heads, dimensions, keys and values
  assertEquals(plain!.memoryBytes, size + 256 * token * 2);
  const [long] = await models({ folders, contextTokens: 257, kv: "f32" });
  assertEquals(long!.memoryBytes, size + 512 * token * 4);
});

Deno.test("models() names what cannot be loaded, with the reason", async () => {
  await within({}, async (folder) => {
    const gguf = await Deno.readFile(fixture("gguf/llama.gguf"));
    await Deno.writeFile(join(folder, "a-torn.gguf"), gguf.subarray(0, -1000));
    await Deno.writeTextFile(join(folder, "b-junk.gguf"), "<html>This file was not found</html>");
    await Deno.writeFile(join(folder, "c-empty.gguf"), new Uint8Array());
    await Deno.mkdir(join(folder, "d-folder.gguf"));
    await copy("gguf", folder, ["qwen2-00001-of-00002.gguf"]);
    await copy("gemma3", join(folder, "e"), CHECKPOINT);
    const gemma = JSON.parse(await Deno.readTextFile(join(folder, "e/config.json")));
    const capped = JSON.stringify({ ...gemma, final_logit_softcapping: 30 });
    await Deno.writeTextFile(join(folder, "e/config.json"), capped);
    await copy("llama", join(folder, "f"), CHECKPOINT);
    await Deno.writeTextFile(join(folder, "f/config.json"), "[3");
    await copy("llama", join(folder, "g"), CHECKPOINT);
    await Deno.writeTextFile(join(folder, "g/config.json"), '{"model_type": 3}');
    const found = await models({ folders: [folder] });
    assertEquals(found.map(({ path }) => path.slice(folder.length + 1)), [
      "a-torn.gguf",
      "b-junk.gguf",
      "c-empty.gguf",
      "qwen2-00001-of-00002.gguf",
      "e",
      "f",
      "g",
    ]);
    const reasons = [
      /must end by byte/,
      /must begin with "GGUF"/,
      /needs 24 bytes/,
      /does not exist/,
    ]
      .concat([
        /final_logit_softcapping is not supported/,
        /not JSON/,
        /model_type must be one of/,
      ]);
    for (const [x, { problem }] of found.entries()) assertMatch(problem!, reasons[x]!);
    assertEquals(found[4]!.architecture, "gemma3_text");
    assert(found.every(({ sizeBytes }) => sizeBytes >= 0));
  });
});

Deno.test("models() of folders that are empty, absent or files lists nothing", async () => {
  await within({ HOME: "home" }, async (folder) => {
    assertEquals(await models(), []);
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    assertEquals(await models({ folders: [folder, join(folder, "absent"), file] }), []);
  });
});

Deno.test("models() follows no link to a folder", async () => {
  await within({}, async (folder) => {
    await Deno.mkdir(join(folder, "a"));
    await Deno.symlink("..", join(folder, "a/up"));
    await copy("gguf", join(folder, "a"), ["llama.gguf"]);
    const found = await models({ folders: [folder] });
    assertEquals(found.length, 1);
    assertStringIncludes(found[0]!.path, "a/llama.gguf");
  });
});
