/** Threads that stay while a model is open, as llama.cpp's own programs have them; else each token would start new ones. */
import { backendFunction, type Ggml } from "./ggml.ts";

/** More than struct ggml_threadpool_params has. */
const PARAMS_BYTES = 1024;

// ggml_threadpool_t ggml_threadpool_new(struct ggml_threadpool_params *)
const NEW = { parameters: ["buffer"], result: "pointer" } as const;
// void ggml_threadpool_free(ggml_threadpool_t)
const FREE = { parameters: ["pointer"], result: "void" } as const;

/** Milliseconds after which they sleep when there is nothing to compute: until then they look for work. */
export const LLAMA_RESTLESS_MS = 500;

/** Threads of a model. */
export interface LlamaThreads {
  /** ggml_threadpool_t */
  readonly pool: Deno.PointerValue;
  /** Ends them. */
  close(): void;
}

/** Starts threads. */
export function threadsOf(ggml: Ggml, count: number): LlamaThreads {
  const params = new Uint8Array(PARAMS_BYTES);
  ggml.call.ggml_threadpool_params_init(params, count);
  const pool = backendFunction(ggml, "ggml_threadpool_new", NEW).call(params);
  if (pool === null) throw new Error(`ggml cannot start ${count} threads`);
  const free = backendFunction(ggml, "ggml_threadpool_free", FREE);
  return { pool, close: () => free.call(pool) };
}
