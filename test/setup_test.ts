import { assert, assertEquals } from "@std/assert";
import { setup } from "./setup.ts";

const ROOT = new URL("../", import.meta.url);

Deno.test("setup() writes the imports of deno.json, their subpaths, and a copy of the lock", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { flags, jsr } = await setup(folder);
    assertEquals(flags[0], `--import-map=${folder}/import_map.json`);
    const { imports } = JSON.parse(await Deno.readTextFile(`${folder}/import_map.json`));
    const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    for (const [name, target] of Object.entries<string>(config.imports)) {
      const replaced = name === "@std/assert" && !jsr;
      assertEquals(imports[name], replaced ? new URL("test/assert.ts", ROOT).href : target);
    }
    assertEquals(imports["zod/"], `npm:/${config.imports.zod.slice("npm:".length)}/`);
    const lock = flags[1]?.match(/^--lock=(.*)$/)?.[1];
    assert(lock === undefined ? flags[1] === "--no-lock" : lock.startsWith(folder), flags[1]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
