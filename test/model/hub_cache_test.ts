import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { locateOnHub } from "../../lib/model/hub.ts";
import { HubCache } from "../../lib/model/hub/cache.ts";
import { assertWeights, COMMIT, tree, withHub } from "./hub_fixture.ts";

const MAIN = { name: "org/name", revision: "main" };

Deno.test("a load that waited for another one leaves the link that this one made", async () => {
  await withHub(async ({ cache }) => {
    const path = join(await locateOnHub(MAIN), "model.safetensors");
    const blob = await Deno.realPath(path);
    const before = await Deno.lstat(path);
    await Deno.rename(blob, `${blob}.away`); // as if it had not come yet
    const etag = blob.split("/").at(-1)!;
    const other = await Deno.open(join(cache, ".locks/models--org--name", `${etag}.lock`), {
      write: true,
    });
    await other.lock(true);
    const onNotice = () => {
      Deno.renameSync(`${blob}.away`, blob);
      other.close();
    };
    await assertWeights(await locateOnHub(MAIN, { onNotice }));
    const { ino, ctime } = await Deno.lstat(path);
    assertEquals([ino, ctime], [before.ino, before.ctime]);
  });
});

Deno.test({
  name: "remember() leaves a file that the process's mask allows others to read",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withHub(async ({ folder }) => {
      const before = Deno.umask(0o022);
      try {
        const cache = new HubCache(folder, "org/name");
        await cache.remember("main", COMMIT);
        const { mode } = await Deno.stat(join(cache.folder, "refs/main"));
        assertEquals(mode! & 0o777, 0o644);
      } finally {
        Deno.umask(before);
      }
    }),
});

Deno.test("remember() that fails leaves nothing behind", async () => {
  await withHub(async ({ folder }) => {
    const cache = new HubCache(folder, "org/name");
    await cache.remember("v1/a", COMMIT);
    const other = "a".repeat(40);
    const { rename } = Deno;
    Deno.rename = () => Promise.reject(new Error("no room"));
    try {
      await assertRejects(() => cache.remember("v1/a", other), Error, "no room");
    } finally {
      Deno.rename = rename;
    }
    assertEquals(await tree(cache.folder), { "refs/v1/a": COMMIT.length });
    assertEquals(await cache.commit("v1/a"), COMMIT);
  });
});
