import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { modelName } from "../../lib/cli/model_name.ts";
import { locateOnHub } from "../../lib/model/hub.ts";
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
    await Deno.writeTextFile(join(plain, "tokenizer_config.json"), "{}");
    assertNotEquals(await modelName(plain), second);
  });
});
