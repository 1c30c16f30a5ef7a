import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "node:path";
import {
  type HeadSource,
  type QueryHeadEntry,
  readHeadFile,
  writeHeadFile,
} from "../../lib/attention/head_file.ts";
import { methodLabel } from "../../lib/cli/method_label.ts";
import { methodList } from "../../lib/cli/method_list.ts";
import { Model } from "../../lib/engine/model.ts";
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

Deno.test("deno task heads retrieval writes modes that a session follows", () =>
  inFolder(async (folder) => {
    const [text, out] = [`${folder}/asks.txt`, `${folder}/heads.json`];
    await Deno.writeTextFile(text, Array.from({ length: 400 }, (_, x) => `It is ${x}.`).join(" "));
    const sizes = [
      "--length",
      "700",
      "--rows",
      "4",
      "--window",
      "64",
      "--sink",
      "4",
      "--top-k",
      "9",
    ];
    const options = [...sizes, "--index", "flat4:candidates=2", "--error", "0.3", "--worst", "2"];
    const result = await heads(
      "retrieval",
      "--texts",
      text,
      ...options,
      "--threads",
      "1",
      "--out",
      out,
    );
    assertEquals(result.code, 0, result.error);
    assertStringIncludes(result.out, "as streaming");
    assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), [
      "asks.txt",
      "heads.json",
    ]);
    const file = await readHeadFile(out);
    const [{ by, settings, texts }] = file.obtained as [HeadSource];
    assertEquals([by, texts.map(({ name }) => name)], ["retrieval search", ["asks.txt"]]);
    assertEquals([settings.error, settings.worst, settings.topK], [0.3, 2, 9]);
    const modes = file.layers.map(({ queryHeads }) =>
      queryHeads.map(({ retrieval }) => retrieval!)
    );
    assert(new Set(modes.flat()).size > 1, `${modes}`);
    const [method] = await methodList(`retrieval:index=flat4:tail=clusters:heads=${out}`);
    assertEquals(method!.options.heads, modes);
    const label = methodLabel({
      method: "retrieval",
      methodOptions: JSON.stringify(method!.options),
    }, [
      { method: "retrieval", methodOptions: "{}" },
    ]);
    const streaming = modes.flat().filter((mode) => mode === "streaming").length;
    assertStringIncludes(label, `streaming:${streaming}`);
    const model = await Model.load();
    const session = model.session({ attention: method! });
    await session.prefill(await Deno.readTextFile(text));
    const step = await session.step();
    modes.forEach((row, layer) =>
      row.forEach((mode, head) => {
        const asks = mode === "index" || mode === "tail";
        const { kind } = step.plan(layer).heads[head]!;
        assertEquals(kind, asks ? "staticPlusRetrieved" : mode);
        assertEquals(step.retrieval(layer, head).indices.length, mode === "index" ? 9 : 0);
      })
    );
    model.close();
  }));

Deno.test("deno task heads retrieval dies of wrong options with one line", async () => {
  const texts = ["--texts", import.meta.filename!];
  const cases: [args: string[], message: string][] = [
    [[], "Cannot search modes of retrieval without --texts FILE..."],
    [[...texts, "--share", "0.2"], "Unknown option '--share'"],
    [[...texts, "--error", "much"], "--error must be a number: current value is much"],
    [[...texts, "--rows", "0"], "--rows must be a whole number >= 1"],
    [[...texts, "--index", "flat4,graph"], "--index must be one index"],
    [[...texts, "--index", "best"], "best"],
    [[...texts, "--length", "700", "--percentile", "101"], "percentile must be > 0 and <= 100"],
    [["--texts", "/none"], "/none"],
    [[...texts, "--length", "900000"], "must have 900000 tokens"],
  ];
  const ends = await Promise.all(cases.map(([args]) => heads("retrieval", ...args)));
  ends.forEach(({ code, error }, i) => {
    assertEquals(code, 1);
    assertStringIncludes(error, cases[i]![1]);
    assertEquals(error.trim().split("\n").length, 1, error);
  });
  const { code, out } = await heads("retrieval", "--help");
  assertEquals(code, 0);
  assertStringIncludes(out, "--percentile");
});

Deno.test("deno task heads merge writes one file of two, and refuses those of two models", () =>
  inFolder(async (folder) => {
    const paths = ["patterns", "modes", "others", "heads"].map((x) => `${folder}/${x}.json`);
    const [patterns, modes, others, out] = paths as [string, string, string, string];
    const source = { version: 1, date: null, criterion: null, tokens: 9, texts: [], settings: {} };
    const head = { type: null, scores: {}, candidates: [] };
    const write = (path: string, name: string, entry: Partial<QueryHeadEntry>) =>
      writeHeadFile(path, {
        model: { name, layers: 1, heads: 1, kvHeads: 1 },
        obtained: [{ ...source, by: basename(path) }],
        layers: [{ queryHeads: [{ ...head, pattern: null, ...entry }], kvHeads: [] }],
      });
    await write(patterns, "small", { pattern: { kind: "dense" } });
    await write(modes, "small", { retrieval: "streaming" });
    await write(others, "large", { retrieval: "streaming" });
    const { code, out: said, error } = await heads("merge", patterns, modes, "--out", out);
    assertEquals(code, 0, error);
    assertStringIncludes(said, "Of 1 heads 1 have a pattern and 1 a mode of retrieval");
    const { layers } = await readHeadFile(out);
    const { pattern, retrieval } = layers[0]!.queryHeads[0]!;
    assertEquals([pattern, retrieval], [{ kind: "dense" }, "streaming"]);
    const text = await Deno.readTextFile(out);
    const cases: [args: string[], message: string][] = [
      [[out, others, "--out", out], "name of the model must be small"],
      [[out], "Cannot merge head files without FILE FILE..."],
    ];
    for (const [args, message] of cases) {
      const end = await heads("merge", ...args);
      assertEquals(end.code, 1);
      assertStringIncludes(end.error, message);
    }
    assertEquals(await Deno.readTextFile(out), text);
  }));

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
