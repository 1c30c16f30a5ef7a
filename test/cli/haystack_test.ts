import { assert, assertEquals, assertLessOrEqual, assertStringIncludes } from "@std/assert";

const SCRIPT = new URL("../../lib/cli/haystack.ts", import.meta.url).pathname;

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--allow-read", SCRIPT, ...args],
    env: { NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("haystack --bytes prints as many texts as asked, each of at most that size", async () => {
  const { code, stdout } = await run("--bytes", "2000", "--count", "3", "--seed", "5");
  assertEquals(code, 0);
  const single = await run("--bytes", "2000", "--seed", "6");
  assertLessOrEqual(single.stdout.length, 2001);
  assert(stdout.includes(`\n\n${single.stdout}\n`), "text 1 of seed 5 is text 0 of seed 6");
});

Deno.test("haystack refuses wrong arguments with the usage", async () => {
  for (const args of [[], ["--tokens", "9", "--bytes", "9"], ["--bytes", "many"], ["--other"]]) {
    const { code, stderr } = await run(...args);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Usage: deno task haystack");
  }
});
