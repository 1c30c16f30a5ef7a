import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { basename, join } from "node:path";
import { modelName } from "../../lib/cli/model_name.ts";
import { locateOnHub } from "../../lib/model/hub.ts";
import { fixture } from "../model/fixtures.ts";
import { withHub } from "../model/hub_fixture.ts";

Deno.test("modelName() is the folder's name, or the repository's, and a hash of the files", async () => {
  await withHub(async ({ hub, folder }) => {
    const snapshot = await locateOnHub({ name: "org/name", revision: "main" });
    const { files } = hub.repositories.get("org/name")!;
    const plain = join(folder, "plain");
    await Deno.mkdir(plain);
    for (const [name, bytes] of Object.entries(files)) {
      await Deno.writeFile(join(plain, name), bytes);
    }
    const [first, second] = [await modelName(snapshot), await modelName(plain)];
    assertMatch(first, /^org\/name [0-9a-f]{12}$/);
    assertEquals(second, first.replace("org/name", "plain"));
    await Deno.writeTextFile(join(plain, "heads.json"), "{}");
    assertEquals(await modelName(plain), second);
    await Deno.writeTextFile(join(plain, "tokenizer_config.json"), "{}");
    assertNotEquals(await modelName(plain), second);
  });
});

Deno.test("modelName() of a GGUF model is the name of its file and a hash of all its files", async () => {
  const [first, second] = ["00001", "00002"].map((part) =>
    fixture(`gguf/qwen2-${part}-of-00002.gguf`)
  );
  const name = await modelName(first!);
  assertMatch(name, /^qwen2-00001-of-00002\.gguf [0-9a-f]{12}$/);
  const folder = await Deno.makeTempDir();
  try {
    const copies = [first!, second!].map((path) => join(folder, basename(path)));
    await Deno.copyFile(first!, copies[0]!);
    const bytes = await Deno.readFile(second!);
    await Deno.writeFile(copies[1]!, bytes);
    assertEquals(await modelName(copies[0]!), name);
    bytes[bytes.length - 1]! ^= 1;
    await Deno.writeFile(copies[1]!, bytes);
    assertNotEquals(await modelName(copies[0]!), name);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
