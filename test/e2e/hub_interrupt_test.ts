import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { WEIGHTS, withHub } from "../model/hub_fixture.ts";
import { checksum } from "../model/hub_server.ts";

Deno.test("SIGINT stops a command's download, and what has come stays", async () => {
  await withHub(async ({ hub, folder, cache }) => {
    const etag = checksum(hub.repositories.get("org/name")!, "model.safetensors");
    const part = join(cache, "models--org--name/blobs", `${etag}.incomplete`);
    hub.intercept = ({ to }) => to === "cdn" ? unfinished() : undefined;
    const score = new URL("../../lib/cli/score.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", score, "--text", score, "--model", "org/name"],
      env: { HF_HOME: join(folder, "home"), HF_ENDPOINT: hub.url },
      stderr: "piped",
    }).spawn();
    const ended = child.output();
    let isOver = false;
    ended.then(() => isOver = true);
    while (!isOver && await sizeOf(part) < 1000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (!isOver) child.kill("SIGINT");
    const { code, stderr } = await ended;
    assertEquals([code, await sizeOf(part)], [130, 1000]);
    const said = new TextDecoder().decode(stderr);
    assertStringIncludes(said, "The download of org/name@main was cancelled");
  });
});

/** A thousand bytes, and then silence. */
function unfinished(): Response {
  return new Response(
    new ReadableStream({
      start: (controller) => controller.enqueue(WEIGHTS.slice(0, 1000)),
    }),
  );
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}
