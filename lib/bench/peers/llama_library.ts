/** The few functions of llama.cpp that load a model and pass tokens through it. */
import { cString, GGML_TYPE, libraryIn, loadGgml, textAt } from "./ggml.ts";
import { type LlamaThreads, threadsOf } from "./llama_threads.ts";

/** Words of a structure of options: more than it has, as versions differ; what is behind it is not read. */
const PARAMS_WORDS = 64;
const PARAMS = { struct: new Array<"u64">(PARAMS_WORDS).fill("u64") } as const;

/** struct llama_batch {int32_t n_tokens; token, embd, pos, n_seq_id, seq_id, logits} */
const BATCH = { struct: new Array<"u64">(7).fill("u64") } as const;
const BATCH_BYTES = 56;
const BATCH_TOKENS = 8;
const BATCH_LOGITS = 48;

/** Places in struct llama_context_params, in bytes. */
const CONTEXT = {
  nCtx: 0,
  nBatch: 4,
  nUbatch: 8,
  nThreads: 28,
  nThreadsBatch: 32,
  flashAttention: 52,
  typeK: 104,
  typeV: 108,
  swaFull: 132,
} as const;
/** Where it has other defaults it is another structure. */
const DEFAULTS = { nCtx: 512, nBatch: 2048, nUbatch: 512, nThreads: 4, nThreadsBatch: 4 } as const;
const FLASH_ATTENTION_ON = 1;

const SYMBOLS = {
  // void llama_backend_init(void)
  llama_backend_init: { parameters: [], result: "void" },
  // const char * llama_version(void)
  llama_version: { parameters: [], result: "pointer" },
  // struct llama_model_params llama_model_default_params(void)
  llama_model_default_params: { parameters: [], result: PARAMS },
  // struct llama_context_params llama_context_default_params(void)
  llama_context_default_params: { parameters: [], result: PARAMS },
  // llama_model * llama_model_load_from_file(const char * path, struct llama_model_params)
  llama_model_load_from_file: { parameters: ["buffer", PARAMS], result: "pointer" },
  // void llama_model_free(llama_model *)
  llama_model_free: { parameters: ["pointer"], result: "void" },
  // const llama_vocab * llama_model_get_vocab(const llama_model *)
  llama_model_get_vocab: { parameters: ["pointer"], result: "pointer" },
  // int32_t llama_vocab_n_tokens(const llama_vocab *)
  llama_vocab_n_tokens: { parameters: ["pointer"], result: "i32" },
  // llama_context * llama_init_from_model(llama_model *, struct llama_context_params)
  llama_init_from_model: { parameters: ["pointer", PARAMS], result: "pointer" },
  // void llama_attach_threadpool(llama_context *, ggml_threadpool_t, ggml_threadpool_t for batches)
  llama_attach_threadpool: { parameters: ["pointer", "pointer", "pointer"], result: "void" },
  // void llama_free(llama_context *)
  llama_free: { parameters: ["pointer"], result: "void" },
  // llama_memory_t llama_get_memory(const llama_context *)
  llama_get_memory: { parameters: ["pointer"], result: "pointer" },
  // bool llama_memory_seq_rm(llama_memory_t, llama_seq_id, llama_pos start, llama_pos end)
  llama_memory_seq_rm: { parameters: ["pointer", "i32", "i32", "i32"], result: "bool" },
  // int32_t llama_decode(llama_context *, struct llama_batch)
  llama_decode: { parameters: ["pointer", BATCH], result: "i32" },
  // void llama_synchronize(llama_context *)
  llama_synchronize: { parameters: ["pointer"], result: "void" },
  // float * llama_get_logits_ith(llama_context *, int32_t row)
  llama_get_logits_ith: { parameters: ["pointer", "i32"], result: "pointer" },
} as const;

type Call = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** llama.cpp, loaded. */
export interface Llama {
  /** Its functions. */
  readonly call: Call;
  /** Its version. */
  readonly version: string;
  /** Makes threads for a model. */
  readonly threads: (count: number) => LlamaThreads;
}

/** Loads the shared libraries of a folder. */
export function loadLlama(folder: string): Llama {
  const path = libraryIn(folder, /^libllama(\.v[\d.]+)?\.(so|dylib)$/);
  const ggml = loadGgml(folder);
  const call = Deno.dlopen(path, SYMBOLS).symbols;
  call.llama_backend_init();
  const version = `${textAt(call.llama_version())}, ggml ${ggml.version}`;
  return { call, version, threads: (count) => threadsOf(ggml, count) };
}

/** What a model is opened for. */
export interface LlamaOptions {
  /** Its GGUF file. */
  readonly path: string;
  /** Threads of everything. */
  readonly threads: number;
  /** Tokens that it must hold. */
  readonly contextTokens: number;
  /** Tokens that pass through the model together. */
  readonly batchTokens: number;
}

/** A model with the keys and values of one text, as f16. */
export class LlamaModel {
  readonly #call: Call;
  readonly #model: Deno.PointerValue;
  readonly #context: Deno.PointerValue;
  readonly #vocab: number;
  readonly #batchTokens: number;
  readonly #threads: LlamaThreads;

  /** Loads the file and takes memory for the context. */
  constructor({ call, threads }: Llama, options: LlamaOptions) {
    const params = call.llama_model_default_params();
    const model = call.llama_model_load_from_file(cString(options.path), params);
    if (model === null) throw new Error(`llama.cpp cannot load ${options.path}`);
    this.#call = call;
    this.#model = model;
    this.#batchTokens = options.batchTokens;
    this.#vocab = call.llama_vocab_n_tokens(call.llama_model_get_vocab(model));
    this.#context = call.llama_init_from_model(model, contextParams(call, options));
    if (this.#context === null) {
      call.llama_model_free(model);
      throw new Error(`llama.cpp cannot hold ${options.contextTokens} tokens of ${options.path}`);
    }
    this.#threads = threads(options.threads);
    const { pool } = this.#threads;
    call.llama_attach_threadpool(this.#context, pool, pool);
  }

  /** Passes ids through the model behind the tokens it holds, and computes the logits of the last. */
  decode(ids: Int32Array<ArrayBuffer>): void {
    for (let start = 0; start < ids.length; start += this.#batchTokens) {
      const end = Math.min(ids.length, start + this.#batchTokens);
      this.#decodeBatch(ids.slice(start, end), end === ids.length);
    }
    this.#call.llama_synchronize(this.#context);
  }

  /** Forgets the tokens from place `length` on. */
  truncate(length: number): void {
    const memory = this.#call.llama_get_memory(this.#context);
    if (this.#call.llama_memory_seq_rm(memory, 0, length, -1)) return;
    throw new Error(`llama.cpp cannot forget the tokens from ${length} on`);
  }

  /** Logits of the last token, `[vocab]`: valid until the next one. */
  logits(): Float32Array {
    const pointer = this.#call.llama_get_logits_ith(this.#context, -1);
    if (pointer === null) throw new Error("llama.cpp has no logits");
    return new Float32Array(Deno.UnsafePointerView.getArrayBuffer(pointer, 4 * this.#vocab));
  }

  /** Frees it. */
  close(): void {
    this.#call.llama_free(this.#context);
    this.#threads.close();
    this.#call.llama_model_free(this.#model);
  }

  #decodeBatch(ids: Int32Array<ArrayBuffer>, isLast: boolean): void {
    const wanted = new Uint8Array(ids.length);
    wanted[ids.length - 1] = isLast ? 1 : 0;
    const batch = new DataView(new ArrayBuffer(BATCH_BYTES));
    batch.setInt32(0, ids.length, true);
    batch.setBigUint64(BATCH_TOKENS, addressOf(ids), true);
    batch.setBigUint64(BATCH_LOGITS, addressOf(wanted), true);
    const status = this.#call.llama_decode(this.#context, new Uint8Array(batch.buffer));
    if (status !== 0) throw new Error(`llama_decode returned ${status}`);
  }
}

function addressOf(array: Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(array));
}

/** As llama.cpp's own programs have it, with flash attention: keys of layers with a window are kept only as far as it goes. */
function contextParams(call: Call, options: LlamaOptions): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(call.llama_context_default_params());
  const params = new DataView(bytes.buffer);
  checkLayout(params);
  params.setUint32(CONTEXT.nCtx, options.contextTokens, true);
  params.setUint32(CONTEXT.nBatch, options.batchTokens, true);
  params.setUint32(CONTEXT.nUbatch, options.batchTokens, true);
  params.setInt32(CONTEXT.nThreads, options.threads, true);
  params.setInt32(CONTEXT.nThreadsBatch, options.threads, true);
  params.setInt32(CONTEXT.flashAttention, FLASH_ATTENTION_ON, true);
  params.setInt32(CONTEXT.typeK, GGML_TYPE.f16, true);
  params.setInt32(CONTEXT.typeV, GGML_TYPE.f16, true);
  params.setUint8(CONTEXT.swaFull, 0);
  return bytes;
}

function checkLayout(params: DataView): void {
  const typesFit = [CONTEXT.typeK, CONTEXT.typeV].every((place) =>
    params.getInt32(place, true) === GGML_TYPE.f16
  );
  const fits = Object.entries(DEFAULTS).every(([name, value]) =>
    params.getInt32(CONTEXT[name as keyof typeof DEFAULTS], true) === value
  );
  if (fits && typesFit && params.getInt32(CONTEXT.flashAttention, true) === -1) return;
  throw new Error("this version of llama.cpp has other options than the one that is known");
}
