/** Child process of the llama.cpp peer; its argument is the folder of ggml's libraries, none for those of the npm package. */
import type { PeerCase } from "../peer.ts";
import { cachedPackage } from "./deno_command.ts";
import { FlashGraph } from "./flash_graph.ts";
import { type Ggml, loadGgml } from "./ggml.ts";
import { type Arrays, type Attention, type Package, serve } from "./serve.ts";

const ARCHITECTURES = { x86_64: "x64", aarch64: "arm64" } as const;
const PLATFORM = `${Deno.build.os}-${ARCHITECTURES[Deno.build.arch]}`;
const PACKAGE = `@node-llama-cpp/${PLATFORM}@3.22.1`;

async function load(folder: string | undefined): Promise<Package> {
  const ggml = loadGgml(folder ?? await packageFolder());
  return {
    hello: { version: `ggml ${ggml.version}` },
    prepare: (c, arrays) => prepare(ggml, c, arrays),
  };
}

async function packageFolder(): Promise<string> {
  const { getBinsDir } = await cachedPackage(PACKAGE) as {
    getBinsDir(): { readonly binsDir: string };
  };
  return `${getBinsDir().binsDir}/${PLATFORM}`;
}

function prepare(ggml: Ggml, c: PeerCase, arrays: Arrays): Attention {
  const graph = new FlashGraph(ggml, c);
  graph.fill(arrays);
  ggml.setThreads(c.threads);
  return {
    note: "queries are f32",
    run: () => graph.run(),
    out: () => graph.out(),
    close: () => graph.close(),
  };
}

if (import.meta.main) await serve(() => load(Deno.args[0]));
