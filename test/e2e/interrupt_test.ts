import { assertEquals } from "@std/assert";

Deno.test("SIGINT stops a run, not the process, and the session goes on", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", new URL("interrupt_child.ts", import.meta.url).pathname],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines: string[] = [];
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    lines.push(...text.split("\n").filter((line) => line !== ""));
    if (lines.length === 1) child.kill("SIGINT");
  }
  assertEquals((await child.status).code, 0);
  assertEquals(lines, ["started", "CancelledError", "usable"]);
});
