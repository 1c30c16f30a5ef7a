import { assertEquals, assertRejects } from "@std/assert";
import { replaceFile } from "../../ffi/replace_file.ts";

const { signal } = new AbortController();

/** Runs with the path of a file of this mode, under a mask that takes writing from all but the owner. */
function withMode(mode: number, run: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = await Deno.makeTempDir();
    const mask = Deno.umask(0o022);
    try {
      const path = `${folder}/file`;
      await Deno.writeTextFile(path, "old");
      await Deno.chmod(path, mode);
      await run(path);
    } finally {
      Deno.umask(mask);
      await Deno.remove(folder, { recursive: true });
    }
  };
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o777;
}

async function write(file: Deno.FsFile): Promise<void> {
  await file.write(new TextEncoder().encode("new"));
}

const ignore = Deno.build.os === "windows";

for (const mode of [0o600, 0o640, 0o644, 0o666]) {
  const octal = mode.toString(8);
  Deno.test({
    name: `replaceFile() keeps the mode ${octal}, and nobody else reads the file before`,
    ignore,
    fn: withMode(mode, async (path) => {
      let meanwhile = 0;
      await replaceFile(path, signal, async (file) => {
        meanwhile = (await file.stat()).mode! & 0o777;
        await write(file);
      });
      assertEquals([await modeOf(path), meanwhile & ~mode], [mode, 0]);
      assertEquals(await Deno.readTextFile(path), "new");
    }),
  });
}

Deno.test({
  name: "replaceFile() of what is not there leaves the mode to the process's mask",
  ignore,
  fn: withMode(0o600, async (path) => {
    await replaceFile(`${path}-2`, signal, write);
    assertEquals(await modeOf(`${path}-2`), 0o644);
  }),
});

Deno.test({
  name: "replaceFile() that fails leaves the old file with its mode, and no other",
  ignore,
  fn: withMode(0o640, async (path) => {
    const fail = () => Promise.reject(new Error("no room"));
    await assertRejects(() => replaceFile(path, signal, fail), Error, "no room");
    assertEquals([await modeOf(path), await Deno.readTextFile(path)], [0o640, "old"]);
    const folder = path.slice(0, path.lastIndexOf("/"));
    assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["file"]);
  }),
});
