/** The few functions of ggml, llama.cpp's tensor library, that make and run a graph of attention. */

/** Types of elements, as `enum ggml_type` numbers them. */
export const GGML_TYPE = { f32: 0, f16: 1, q8_0: 8, bf16: 30 } as const;

/** `enum ggml_backend_dev_type` */
const CPU_DEVICE = 0;

/** Functions of `libggml-base`. */
export const GGML_SYMBOLS = {
  // struct ggml_context * ggml_init(struct ggml_init_params {size_t mem_size; void * mem_buffer; bool no_alloc})
  ggml_init: { parameters: [{ struct: ["usize", "pointer", "bool"] }], result: "pointer" },
  // void ggml_free(struct ggml_context *)
  ggml_free: { parameters: ["pointer"], result: "void" },
  // size_t ggml_tensor_overhead(void)
  ggml_tensor_overhead: { parameters: [], result: "usize" },
  // size_t ggml_graph_overhead(void)
  ggml_graph_overhead: { parameters: [], result: "usize" },
  // ggml_tensor * ggml_new_tensor_3d(ggml_context *, ggml_type, int64_t ne0, int64_t ne1, int64_t ne2)
  ggml_new_tensor_3d: { parameters: ["pointer", "i32", "i64", "i64", "i64"], result: "pointer" },
  // ggml_tensor * ggml_view_3d(ggml_context *, ggml_tensor *, ne0, ne1, ne2, size_t nb1, size_t nb2, size_t offset)
  ggml_view_3d: {
    parameters: ["pointer", "pointer", "i64", "i64", "i64", "usize", "usize", "usize"],
    result: "pointer",
  },
  // ggml_tensor * ggml_flash_attn_ext(ggml_context *, q, k, v, mask, float scale, float max_bias, float logit_softcap)
  ggml_flash_attn_ext: {
    parameters: ["pointer", "pointer", "pointer", "pointer", "pointer", "f32", "f32", "f32"],
    result: "pointer",
  },
  // ggml_cgraph * ggml_new_graph(ggml_context *)
  ggml_new_graph: { parameters: ["pointer"], result: "pointer" },
  // void ggml_build_forward_expand(ggml_cgraph *, ggml_tensor *)
  ggml_build_forward_expand: { parameters: ["pointer", "pointer"], result: "void" },
  // ggml_backend_buffer_t ggml_backend_alloc_ctx_tensors(ggml_context *, ggml_backend_t)
  ggml_backend_alloc_ctx_tensors: { parameters: ["pointer", "pointer"], result: "pointer" },
  // void ggml_backend_buffer_free(ggml_backend_buffer_t)
  ggml_backend_buffer_free: { parameters: ["pointer"], result: "void" },
  // void ggml_backend_tensor_set(ggml_tensor *, const void * data, size_t offset, size_t size)
  ggml_backend_tensor_set: { parameters: ["pointer", "buffer", "usize", "usize"], result: "void" },
  // void ggml_backend_tensor_get(const ggml_tensor *, void * data, size_t offset, size_t size)
  ggml_backend_tensor_get: { parameters: ["pointer", "buffer", "usize", "usize"], result: "void" },
  // void ggml_fp32_to_fp16_row(const float *, ggml_fp16_t *, int64_t count)
  ggml_fp32_to_fp16_row: { parameters: ["buffer", "buffer", "i64"], result: "void" },
  // void ggml_fp32_to_bf16_row(const float *, ggml_bf16_t *, int64_t count)
  ggml_fp32_to_bf16_row: { parameters: ["buffer", "buffer", "i64"], result: "void" },
  // size_t ggml_row_size(enum ggml_type, int64_t elements)
  ggml_row_size: { parameters: ["i32", "i64"], result: "usize" },
  // size_t ggml_quantize_chunk(ggml_type, const float *, void *, int64_t start, rows, row elements, const float * weights)
  ggml_quantize_chunk: {
    parameters: ["i32", "buffer", "buffer", "i64", "i64", "i64", "pointer"],
    result: "usize",
  },
  // ggml_status ggml_backend_graph_compute(ggml_backend_t, ggml_cgraph *)
  ggml_backend_graph_compute: { parameters: ["pointer", "pointer"], result: "i32" },
  // ggml_backend_dev_t ggml_backend_get_device(ggml_backend_t)
  ggml_backend_get_device: { parameters: ["pointer"], result: "pointer" },
  // ggml_backend_reg_t ggml_backend_dev_backend_reg(ggml_backend_dev_t)
  ggml_backend_dev_backend_reg: { parameters: ["pointer"], result: "pointer" },
  // void * ggml_backend_reg_get_proc_address(ggml_backend_reg_t, const char * name)
  ggml_backend_reg_get_proc_address: { parameters: ["pointer", "buffer"], result: "function" },
  // void ggml_threadpool_params_init(struct ggml_threadpool_params *, int threads)
  ggml_threadpool_params_init: { parameters: ["buffer", "i32"], result: "void" },
  // const char * ggml_version(void)
  ggml_version: { parameters: [], result: "pointer" },
  // const char * ggml_commit(void)
  ggml_commit: { parameters: [], result: "pointer" },
} as const;

const BACKENDS = {
  // void ggml_backend_load_all_from_path(const char * dir_path)
  ggml_backend_load_all_from_path: { parameters: ["buffer"], result: "void" },
  // ggml_backend_t ggml_backend_init_by_type(enum ggml_backend_dev_type, const char * params)
  ggml_backend_init_by_type: { parameters: ["i32", "pointer"], result: "pointer" },
} as const;

// void ggml_backend_set_n_threads(ggml_backend_t, int)
const SET_THREADS = { parameters: ["pointer", "i32"], result: "void" } as const;

/** ggml with a CPU backend. */
export interface Ggml {
  /** Its functions. */
  readonly call: Deno.DynamicLibrary<typeof GGML_SYMBOLS>["symbols"];
  /** The backend. */
  readonly backend: Deno.PointerValue;
  /** Version and commit. */
  readonly version: string;
  /** Threads of the next graphs. */
  setThreads(threads: number): void;
}

/** Loads the shared libraries of a folder; the CPU backend that fits this machine best is chosen by ggml. */
export function loadGgml(folder: string): Ggml {
  const call = Deno.dlopen(libraryIn(folder, /^libggml-base\.(so|dylib)$/), GGML_SYMBOLS).symbols;
  const backend = cpuBackend(folder);
  const setThreads = threadSetter(call, backend);
  const version = `${textAt(call.ggml_version())} (${textAt(call.ggml_commit())})`;
  return { call, backend, version, setThreads: (threads) => setThreads.call(backend, threads) };
}

function cpuBackend(folder: string): Deno.PointerValue {
  const library = libraryIn(folder, /^libggml(\.v[\d.]+)?\.(so|dylib)$/);
  const call = Deno.dlopen(library, BACKENDS).symbols;
  call.ggml_backend_load_all_from_path(cString(folder));
  const backend = call.ggml_backend_init_by_type(CPU_DEVICE, null);
  if (backend === null) throw new Error(`ggml of ${folder} has no CPU backend for this machine`);
  return backend;
}

function threadSetter(call: Ggml["call"], backend: Deno.PointerValue) {
  return backendFunction({ call, backend }, "ggml_backend_set_n_threads", SET_THREADS);
}

/** A function that only the chosen backend has. */
export function backendFunction<const Type extends Deno.ForeignFunction>(
  { call, backend }: Pick<Ggml, "call" | "backend">,
  name: string,
  type: Type,
): Deno.UnsafeFnPointer<Type> {
  const registry = call.ggml_backend_dev_backend_reg(call.ggml_backend_get_device(backend));
  const address = call.ggml_backend_reg_get_proc_address(registry, cString(name));
  if (address === null) throw new Error(`ggml has no function ${name}`);
  return new Deno.UnsafeFnPointer(address as Deno.PointerObject<Type>, type);
}

/** A context that holds descriptions of at most `tensors` tensors and a graph, and none of their data. */
export function newContext({ call }: Ggml, tensors: number): Deno.PointerValue {
  const size = call.ggml_graph_overhead() + call.ggml_tensor_overhead() * BigInt(tensors);
  const parameters = new DataView(new ArrayBuffer(24));
  parameters.setBigUint64(0, size, true);
  parameters.setUint8(16, 1);
  return call.ggml_init(new Uint8Array(parameters.buffer));
}

/** Path of the library of a folder whose name fits. */
export function libraryIn(folder: string, pattern: RegExp): string {
  for (const { name } of Deno.readDirSync(folder)) {
    if (pattern.test(name)) return `${folder}/${name}`;
  }
  throw new Error(`${folder} holds no ggml: no file is named as ${pattern.source}`);
}

/** A text as C has it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The text of C at a pointer. */
export function textAt(pointer: Deno.PointerValue): string {
  return pointer === null ? "?" : new Deno.UnsafePointerView(pointer).getCString();
}
