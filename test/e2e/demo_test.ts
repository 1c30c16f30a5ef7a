import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const DEMO = new URL("../../lib/cli/demo.ts", import.meta.url).pathname;

async function demo(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", DEMO, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("the demo answers every question with every method in one aligned table", async () => {
  const { code, out } = await demo("--tokens", "900", "--facts", "2", "--seed", "3");
  assertEquals(code, 0);
  const lines = out.split("\n");
  const rows = lines.filter((line) => /^(dense|streaming|retrieval) /.test(line));
  assertEquals(rows.length, 3 * 2 + 1);
  const head = lines.find((line) => line.startsWith("method"))!;
  for (const row of rows.slice(0, 6)) {
    assert(/ (right|wrong) +\d+\.\d/.test(row), row);
    assertEquals(row.length, head.length);
  }
  assert(rows.slice(0, 2).every((row) => /100\.0 %/.test(row)));
});

Deno.test("the demo reads a file and asks the given question", async () => {
  const file = await Deno.makeTempFile({ suffix: ".txt" });
  await Deno.writeTextFile(file, "The pass key is 73914. Remember it. 73914 is the pass key.\n");
  const { code, out } = await demo("--file", file, "--question", "What is the pass key?");
  await Deno.remove(file);
  assertEquals(code, 0);
  assertStringIncludes(out, "What is the pass key?");
  assertStringIncludes(out, " - ");
});

Deno.test("the demo says what is wrong with its options", async () => {
  const { code, error } = await demo("--tokens", "many");
  assertEquals(code, 1);
  assertStringIncludes(error, "--tokens must be a whole number >= 0: current value is many");
});
