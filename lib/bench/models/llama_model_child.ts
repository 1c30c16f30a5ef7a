/** Child process that runs whole models by llama.cpp; its argument is the folder of its libraries, as that of kernels. */
import { type Llama, LlamaModel, loadLlama } from "../peers/llama_library.ts";
import { LLAMA_RESTLESS_MS } from "../peers/llama_threads.ts";
import { llamaFolder } from "../peers/llama_folder.ts";
import type { Hello } from "../peers/protocol.ts";
import { serveRequests } from "../peers/serve.ts";
import type { DecodeRequest, ModelReply, ModelRequest, ReadRequest } from "./model_protocol.ts";

/** llama.cpp, and the model that is open. */
interface Loaded {
  readonly hello: Hello;
  readonly llama: Llama;
  model: LlamaModel | null;
}

async function load(folder: string | undefined): Promise<Loaded> {
  const llama = loadLlama(await llamaFolder(folder));
  return { hello: { version: llama.version }, llama, model: null };
}

async function answer(loaded: Loaded, request: ModelRequest): Promise<ModelReply> {
  if ("open" in request) {
    loaded.model?.close();
    loaded.model = null;
    loaded.model = new LlamaModel(loaded.llama, request.open);
    return {};
  }
  if (loaded.model === null) throw new Error("no model is open");
  const reply = "read" in request
    ? read(loaded.model, request.read)
    : decode(loaded.model, request.decode);
  // Nobody else is to be measured while its threads still look for work.
  await new Promise((resolve) => setTimeout(resolve, LLAMA_RESTLESS_MS));
  return reply;
}

function read(model: LlamaModel, { ids, chosen }: ReadRequest): ModelReply {
  model.truncate(0);
  const ms = timed(() => model.decode(Int32Array.from(ids)));
  return { ms, gaps: [gap(model.logits(), chosen)] };
}

function decode(model: LlamaModel, { after, ids }: DecodeRequest): ModelReply {
  model.truncate(after);
  let ms = 0;
  const gaps = ids.slice(1).map((next, i) => {
    ms += timed(() => model.decode(Int32Array.of(ids[i]!)));
    return gap(model.logits(), next);
  });
  return { ms, gaps };
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function gap(logits: Float32Array, chosen: number): number {
  return logits.reduce((most, logit) => Math.max(most, logit), -Infinity) - logits[chosen]!;
}

if (import.meta.main) {
  await serveRequests(
    () => load(Deno.args[0]),
    (loaded, request) => answer(loaded, request as ModelRequest),
  );
}
