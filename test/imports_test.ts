/** Who may import whom, checked on the module graph of all that is published: type-only and dynamic imports too. */
import { assertEquals, assertGreater } from "@std/assert";
import { pathToFileURL } from "node:url";

const ROOT = new URL("../", import.meta.url);

const LIB = ["model", "retrieval", "cache", "attention", "engine", "heads", "prompt", "positions"]
  .concat(["trace", "plot", "eval"]).map((name) => `lib/${name}`);

/** What files of a place may import besides files of the same place. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "mod.ts": LIB,
  "lib/model": ["ffi"],
  "lib/retrieval": ["ffi"],
  "lib/cache": ["ffi"],
  "lib/attention": ["lib/retrieval", "lib/cache", "ffi"],
  "lib/engine": ["lib/model", "lib/attention", "lib/cache", "lib/retrieval", "lib/trace", "ffi"],
  "lib/heads": ["lib/engine", "lib/attention", "lib/trace"],
  "lib/prompt": ["lib/engine", "lib/trace"],
  "lib/positions": ["lib/engine", "lib/trace"],
  "lib/trace": [],
  "lib/plot": ["lib/trace"],
  "lib/eval": ["lib/engine", "lib/heads", "lib/attention", "lib/trace"],
  "lib/bench": [
    ...["lib/engine", "lib/attention", "lib/cache", "lib/retrieval", "lib/trace", "lib/plot"],
    "ffi",
  ],
  "lib/cli": [...LIB, "lib/bench", "ffi"],
  "ffi": ["kernels/reference"],
  "kernels/reference": [],
};

/** Modules that hold C++ and CUDA as text. */
const SOURCE_LISTS = ["ffi/sources.ts", "ffi/cuda_sources.ts"];

interface Import {
  /** File that imports, relative to the root. */
  readonly from: string;
  /** Line of it. */
  readonly line: number;
  /** What is imported: a file relative to the root, or a specifier as resolved. */
  readonly to: string;
  /** `code` at load, `dynamic` on use, `type` for types only, or the kind of an attribute such as `text`. */
  readonly kind: string;
}

interface Target {
  readonly specifier?: string;
  readonly span?: { readonly start: { readonly line: number } };
}

interface Dependency {
  readonly specifier: string;
  readonly code?: Target;
  readonly type?: Target;
  readonly isDynamic?: boolean;
  readonly assertionType?: string;
}

interface Graph {
  readonly modules: readonly { specifier: string; dependencies?: readonly Dependency[] }[];
}

/** Place of a file: a name of {@link ALLOWED} or, for others, its first two folders. */
function place(path: string): string {
  const [first, second] = path.split("/");
  return first === "lib" || first === "kernels" ? `${first}/${second}` : `${first}`;
}

/** What is wrong with an import; undefined where nothing is. */
function problem({ from, line, to, kind }: Import): string | undefined {
  const [source, target] = [place(from), place(to)];
  const where = `${from}:${line} imports ${to}`;
  if (to.startsWith("jsr:")) return `${where}: nothing that is published may import from JSR`;
  if (to.startsWith("npm:")) {
    return kind === "code" && source !== "lib/cli"
      ? `${where}: packages are imported on use`
      : undefined;
  }
  if (to.startsWith("node:") || source === target) return undefined;
  if (SOURCE_LISTS.includes(from) && kind === "text" && to.startsWith("kernels/")) return undefined;
  if (ALLOWED[source]?.includes(target)) return undefined;
  return `${where}: ${source} may import ${ALLOWED[source]?.join(", ") || "nothing"}`;
}

function* sourceFiles(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(folder, ROOT))) {
    if (entry.isDirectory) yield* sourceFiles(`${folder}${entry.name}/`);
    else if (entry.name.endsWith(".ts")) yield `${folder}${entry.name}`;
  }
}

async function graph(files: readonly string[]): Promise<Graph> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  const config = new URL("deno.json", ROOT).pathname;
  try {
    await Deno.writeTextFile(
      entry,
      files.map((file) => `import "${new URL(file, ROOT)}";`).join("\n"),
    );
    const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", `--config=${config}`, pathToFileURL(entry).href],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(entry);
  }
}

function imports({ modules }: Graph): Import[] {
  return modules.flatMap(({ specifier, dependencies = [] }) => {
    if (!specifier.startsWith(ROOT.href)) return [];
    return dependencies.flatMap((dependency) => edges(relative(specifier), dependency));
  });
}

function edges(
  from: string,
  { specifier, code, type, isDynamic, assertionType }: Dependency,
): Import[] {
  const edge = (target: Target, kind: string) => ({
    from,
    line: (target.span?.start.line ?? 0) + 1,
    to: relative(target.specifier ?? specifier),
    kind,
  });
  const loaded = code ? [edge(code, assertionType ?? (isDynamic ? "dynamic" : "code"))] : [];
  return type ? [...loaded, edge(type, "type")] : loaded;
}

function relative(specifier: string): string {
  return specifier.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : specifier;
}

Deno.test("problem() allows what the table allows and nothing else", () => {
  const cases: [from: string, to: string, kind: string, right: boolean][] = [
    ["mod.ts", "lib/engine/model.ts", "code", true],
    ["mod.ts", "ffi/errors.ts", "code", false],
    ["mod.ts", "lib/cli/demo.ts", "code", false],
    ["lib/eval/a.ts", "lib/engine/b.ts", "type", true],
    ["lib/eval/a.ts", "lib/model/types.ts", "type", false],
    ["lib/plot/a.ts", "lib/engine/b.ts", "dynamic", false],
    ["lib/cli/a.ts", "ffi/build.ts", "code", true],
    ["lib/model/a.ts", "kernels/reference/b.ts", "code", false],
    ["lib/model/a.ts", "test/random.ts", "code", false],
    ["lib/model/a.ts", "npm:zod@4", "code", false],
    ["lib/model/a.ts", "npm:zod@4", "dynamic", true],
    ["lib/model/a.ts", "npm:zod@4", "type", true],
    ["lib/model/a.ts", "jsr:@std/path", "dynamic", false],
    ["lib/new/a.ts", "ffi/errors.ts", "code", false],
    ["ffi/sources.ts", "kernels/cpu/a.cpp", "text", true],
    ["ffi/sources.ts", "kernels/cpu/a.ts", "code", false],
    ["ffi/cuda_sources.ts", "kernels/cuda/a.cu", "text", true],
    ["ffi/cuda_build.ts", "kernels/cuda/a.cu", "text", false],
    ["kernels/reference/a.ts", "ffi/backend.ts", "type", false],
  ];
  for (const [from, to, kind, right] of cases) {
    assertEquals(
      problem({ from, line: 1, to, kind }) === undefined,
      right,
      `${from} -> ${to} ${kind}`,
    );
  }
});

Deno.test("every import of mod.ts, lib, ffi and kernels/reference goes in an allowed direction", async () => {
  const files = [
    "mod.ts",
    ...["lib/", "ffi/", "kernels/"].flatMap((name) => [...sourceFiles(name)]),
  ];
  const found = imports(await graph(files));
  assertGreater(found.length, files.length);
  assertEquals(new Set(found.map(({ from }) => from)).size > files.length / 2, true);
  assertEquals(found.map(problem).filter((text) => text !== undefined), []);
});
