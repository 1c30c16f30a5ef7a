/** Child process of the llama.cpp peer; its argument is the folder of ggml's libraries, none for those of the npm package. */
import type { PeerCase } from "../peer.ts";
import { FlashGraph } from "./flash_graph.ts";
import { type Ggml, loadGgml } from "./ggml.ts";
import { llamaFolder } from "./llama_folder.ts";
import { type Arrays, type Attention, type Package, serve } from "./serve.ts";

async function load(folder: string | undefined): Promise<Package> {
  const ggml = loadGgml(await llamaFolder(folder));
  return {
    hello: { version: `ggml ${ggml.version}` },
    prepare: (c, arrays) => prepare(ggml, c, arrays),
  };
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
