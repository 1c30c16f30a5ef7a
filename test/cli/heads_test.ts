import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readHeadFile } from "../../lib/attention/head_file.ts";
import { inFolder } from "../in_folder.ts";
import { runCli } from "./run_cli.ts";

const heads = (...args: string[]) => runCli("heads", ...args);

Deno.test("deno task heads search writes a head file of the embedded model", () =>
  inFolder(async (folder) => {
    const text = Array.from({ length: 900 }, (_, x) => `Sentence ${x % 83} has ${x} parts.`);
    for (const name of ["a.txt", "b.txt"]) {
      await Deno.writeTextFile(`${folder}/${name}`, text.join(" "));
      text.reverse();
    }
    const out = `${folder}/heads.json`;
    const texts = ["--texts", `${folder}/a.txt`, `${folder}/b.txt`];
    const options = ["--length", "512", "--share", "0.8", "--chunk", "256", "--threads", "1"];
    const result = await heads("search", ...texts, ...options, "--out", out);
    assertEquals(result.code, 0, result.error);
    assertStringIncludes(result.out, "mass kept, median");
    const { model, obtained } = await readHeadFile(out);
    assertStringIncludes(model.name, "embedded ");
    assertEquals(obtained[0]!.texts.map(({ name }) => name), ["a.txt", "b.txt"]);
    assertEquals(obtained[0]!.settings, { tileShare: 0.8, chunkTokens: 256, kv: "bf16" });
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    assertEquals(left, ["a.txt", "b.txt", "heads.json"]);
  }));

Deno.test("deno task heads search refuses options that make no sense", async () => {
  const cases: [args: string[], message: string][] = [
    [["search"], "Cannot search without --texts FILE..."],
    [
      ["search", "--texts", import.meta.filename!, "--length", "x"],
      "--length must be a whole number >= 1",
    ],
    [
      ["search", "--texts", import.meta.filename!, "--criterion", "luck"],
      "--criterion must be mass or error",
    ],
    [
      ["search", "--texts", import.meta.filename!, "--share", "none"],
      "tileShare must be > 0 and <= 1",
    ],
  ];
  const ends = await Promise.all(cases.map(([args]) => heads(...args)));
  ends.forEach(({ code, error }, i) => {
    assert(code !== 0);
    assertStringIncludes(error, cases[i]![1]);
  });
});

Deno.test("deno task heads import reads a published file, and export writes it again", () =>
  inFolder(async (folder) => {
    const [published, out, again] = ["published", "heads", "again"].map((x) =>
      `${folder}/${x}.json`
    );
    const text =
      '[{"0": ["vertical_and_slash",100,800,0.9375], "1": ["stream_llm",128,3968,0.5]},\n' +
      '{"0": ["vertical_and_slash",3500,100,1], "1": ["block_sparse",100,0,0.75]}]\n';
    await Deno.writeTextFile(published!, text);
    const shape = ["--name", "small", "--layers", "2", "--heads", "2", "--kv-heads", "1"];
    const read = await heads("import", "--file", published!, ...shape, "--out", out!);
    assertEquals(read.code, 0, read.error);
    assertStringIncludes(read.out, "published score, median");
    const { model, layers } = await readHeadFile(out!);
    assertEquals(model, { name: "small", layers: 2, heads: 2, kvHeads: 1 });
    const pattern = { kind: "verticalSlash" as const, vertical: 3500, slash: 100 };
    assertEquals(layers[1]!.queryHeads[0]!.pattern, pattern);
    const written = await heads("export", "--file", out!, "--out", again!);
    assertEquals(written.code, 0, written.error);
    assertEquals(await Deno.readTextFile(again!), text);
  }));

Deno.test("deno task heads import and export refuse what lacks", async () => {
  const cases: [args: string[], message: string][] = [
    [["import", "--name", "small"], "--layers must be a whole number >= 1"],
    [["import", "--layers", "2", "--heads", "2", "--kv-heads", "1"], "heads without --name"],
    [["export"], "Cannot export heads without --file"],
  ];
  const ends = await Promise.all(cases.map(([args]) => heads(...args)));
  ends.forEach(({ code, error }, i) => {
    assert(code !== 0);
    assertStringIncludes(error, cases[i]![1]);
  });
});
