import { assert, assertEquals, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { makeFacts } from "../../lib/eval/facts.ts";

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

Deno.test("haystack --facts ends in the questions for facts that the text holds, answered", async () => {
  const { code, stdout, stderr } = await run("--tokens", "600", "--facts", "4", "--seed", "3");
  assertEquals(code, 0, stderr);
  const [text = "", ...asked] = stdout.split("\nQuestion: ");
  assertEquals(asked.length, 4);
  const facts = makeFacts(4, { seed: 3 });
  facts.forEach(({ statement, answer, question }, x) => {
    assertStringIncludes(text, statement);
    assertEquals(`\nQuestion: ${asked[x]!.trimEnd()}`, question + answer);
  });
});

Deno.test("haystack refuses arguments that do not go together", async () => {
  for (const args of [[], ["--tokens", "9", "--bytes", "9"], ["--bytes", "9", "--facts", "1"]]) {
    const { code, stderr } = await run(...args);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot print text");
  }
});
