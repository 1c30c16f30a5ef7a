/**
 * The symbol table of the native library: `kernels/include/longlens.h`, parameter by parameter.
 *
 * `test/ffi/symbols_test.ts` parses the header and fails when this file says anything else.
 *
 * Host memory is a `buffer`. Device memory is a `u64` address and not a Deno `pointer`, because making
 * pointer objects needs `--allow-ffi` without a path, while numbers work with `--allow-ffi=<path>`, too.
 */

/** ABI version this table was written for (`LL_ABI_VERSION`). */
export const ABI_VERSION = 1;

/** Functions that return at once. Those of files of pages only the library of the CPU has. */
export const DIRECT_SYMBOLS = {
  ll_abi_version: { parameters: [], result: "i32" },
  ll_last_error: { parameters: [], result: "pointer" },
  ll_init: {
    parameters: [
      "i32", // int32_t threads
      "buffer", // const char* isa
    ],
    result: "i32",
  },
  ll_info: {
    parameters: [
      "buffer", // char* json
      "i32", // int32_t capacity
    ],
    result: "i32",
  },
  ll_alloc: {
    parameters: [
      "i64", // int64_t bytes
      "i32", // int32_t tier
      "buffer", // void** out
    ],
    result: "i32",
  },
  ll_free: {
    parameters: [
      "u64", // void* memory
    ],
    result: "i32",
  },
  ll_copy_in: {
    parameters: [
      "u64", // void* device
      "buffer", // const void* host
      "i64", // int64_t bytes
    ],
    result: "i32",
  },
  ll_copy_out: {
    parameters: [
      "buffer", // void* host
      "u64", // const void* device
      "i64", // int64_t bytes
    ],
    result: "i32",
  },
  ll_copy: {
    parameters: [
      "u64", // void* target
      "u64", // const void* source
      "i64", // int64_t bytes
    ],
    result: "i32",
  },
  ll_map_file: {
    parameters: [
      "buffer", // const char* path
      "buffer", // void** out
      "buffer", // int64_t* bytes
    ],
    result: "i32",
  },
  ll_unmap_file: {
    parameters: [
      "u64", // void* address
      "i64", // int64_t bytes
    ],
    result: "i32",
  },
  ll_create_file: {
    parameters: [
      "buffer", // const char* path
      "buffer", // int32_t* file
    ],
    result: "i32",
    optional: true,
  },
  ll_extend_file: {
    parameters: [
      "i32", // int32_t file
      "i64", // int64_t bytes
      "buffer", // void** out
    ],
    result: "i32",
    optional: true,
  },
  ll_close_file: {
    parameters: [
      "i32", // int32_t file
    ],
    result: "i32",
    optional: true,
  },
  ll_page_bytes: {
    parameters: [
      "i32", // int32_t dim
      "i32", // int32_t kv_dtype
      "buffer", // int64_t* out
    ],
    result: "i32",
  },
  ll_read_kv: {
    parameters: [
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_head
      "i32", // int32_t dim
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t tokens
      "buffer", // float* k
      "buffer", // float* v
      "buffer", // float* positions
    ],
    result: "i32",
  },
} as const;
DIRECT_SYMBOLS satisfies Deno.ForeignLibraryInterface;

/** Functions that may take long: they take an `ll_run` and are bound twice, see {@link inBackground}. */
export const RUN_SYMBOLS = {
  ll_convert: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const void* source
      "i32", // int32_t source_dtype
      "u64", // void* target
      "i32", // int32_t target_dtype
      "i64", // int64_t count
    ],
    result: "i32",
  },
  ll_embed: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // const int32_t* ids
      "i32", // int32_t tokens
      "u64", // const void* table
      "i32", // int32_t table_dtype
      "i32", // int32_t vocab
      "i32", // int32_t hidden
      "f32", // float scale
      "u64", // float* out
    ],
    result: "i32",
  },
  ll_qkv: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* x
      "i32", // int32_t tokens
      "i32", // int32_t hidden
      "u64", // const float* norm
      "f32", // float eps
      "u64", // const void* wq
      "u64", // const void* wk
      "u64", // const void* wv
      "buffer", // const int32_t* weight_dtypes
      "u64", // const float* bq
      "u64", // const float* bk
      "u64", // const float* bv
      "u64", // const float* q_norm
      "u64", // const float* k_norm
      "i32", // int32_t heads
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "u64", // const float* cos
      "u64", // const float* sin
      "i32", // int32_t tables
      "i32", // int32_t rot
      "buffer", // const int32_t* table_of_head
      "u64", // float* q
      "u64", // float* k
      "u64", // float* v
    ],
    result: "i32",
  },
  ll_output: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // float* x
      "i32", // int32_t tokens
      "i32", // int32_t hidden
      "u64", // const float* attention
      "i32", // int32_t width
      "u64", // const void* wo
      "u64", // const float* a_norm
      "u64", // const float* norm
      "f32", // float eps
      "u64", // const void* wgate
      "u64", // const void* wup
      "u64", // const void* wdown
      "buffer", // const int32_t* weight_dtypes
      "u64", // const float* f_norm
      "i32", // int32_t ffn
      "i32", // int32_t activation
    ],
    result: "i32",
  },
  ll_logits: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* x
      "i32", // int32_t rows
      "i32", // int32_t hidden
      "u64", // const float* norm
      "f32", // float eps
      "u64", // const void* head
      "i32", // int32_t head_dtype
      "i32", // int32_t vocab
      "u64", // float* out
    ],
    result: "i32",
  },
  ll_log_probs: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* logits
      "i32", // int32_t rows
      "i32", // int32_t vocab
      "buffer", // const int32_t* targets
      "buffer", // float* out
    ],
    result: "i32",
  },
  ll_append: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t tokens
      "u64", // const float* k
      "u64", // const float* v
      "buffer", // const float* positions
    ],
    result: "i32",
  },
  ll_attend_tiles: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t q_start
      "i32", // int32_t tokens
      "i32", // int32_t heads
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "f32", // float scale
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t kv_len
      "buffer", // const int32_t* plans
      "i64", // int64_t plan_words
      "u64", // float* out
      "u64", // float* lse
    ],
    result: "i32",
  },
  ll_attend_keys: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t rows
      "i32", // int32_t heads
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "f32", // float scale
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t kv_len
      "buffer", // const int32_t* range_ptr
      "buffer", // const int32_t* ranges
      "buffer", // const int32_t* index_ptr
      "buffer", // const int32_t* indices
      "u64", // float* out
      "u64", // float* lse
    ],
    result: "i32",
  },
  ll_merge: {
    parameters: [
      "buffer", // ll_run* run
      "i32", // int32_t rows
      "i32", // int32_t dim
      "u64", // const float* out_a
      "u64", // const float* lse_a
      "u64", // const float* out_b
      "u64", // const float* lse_b
      "u64", // float* out
      "u64", // float* lse
    ],
    result: "i32",
  },
  ll_attention_row: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t kv_head
      "i32", // int32_t dim
      "f32", // float scale
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t kv_len
      "buffer", // const int32_t* ranges
      "i32", // int32_t range_count
      "buffer", // const int32_t* indices
      "i32", // int32_t index_count
      "buffer", // float* probs
      "buffer", // float* lse
    ],
    result: "i32",
  },
  ll_pool_map: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t q_start
      "i32", // int32_t tokens
      "i32", // int32_t heads
      "i32", // int32_t head
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "f32", // float scale
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t n
      "i32", // int32_t bins
      "buffer", // float* sum
      "buffer", // float* max
    ],
    result: "i32",
  },
  ll_top_keys: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t heads
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "buffer", // const int32_t* chosen
      "i32", // int32_t count
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t end
      "i32", // int32_t k
      "buffer", // int32_t* indices
      "buffer", // float* scores
    ],
    result: "i32",
  },
  ll_vertical_slash: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t q_start
      "i32", // int32_t tokens
      "i32", // int32_t heads
      "buffer", // const int32_t* chosen
      "i32", // int32_t count
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "f32", // float scale
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "buffer", // float* vertical
      "buffer", // float* slash
    ],
    result: "i32",
  },
  ll_pool_queries: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t tokens
      "i32", // int32_t heads
      "i32", // int32_t dim
      "i32", // int32_t block
      "u64", // float* out
    ],
    result: "i32",
  },
  ll_pool_keys: {
    parameters: [
      "buffer", // ll_run* run
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t end
      "i32", // int32_t block
      "u64", // float* out
    ],
    result: "i32",
  },
  ll_block_scores: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t q_blocks
      "i32", // int32_t heads
      "buffer", // const int32_t* chosen
      "i32", // int32_t count
      "u64", // const float* k
      "i32", // int32_t k_blocks
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "f32", // float scale
      "i32", // int32_t q_start
      "i32", // int32_t block
      "i32", // int32_t softmax
      "buffer", // float* scores
    ],
    result: "i32",
  },
  ll_antidiagonal_scores: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t q_start
      "i32", // int32_t tokens
      "i32", // int32_t heads
      "buffer", // const int32_t* chosen
      "i32", // int32_t count
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "f32", // float scale
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t step
      "i32", // int32_t block
      "buffer", // float* scores
    ],
    result: "i32",
  },
  ll_key_bounds: {
    parameters: [
      "buffer", // ll_run* run
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t end
      "i32", // int32_t block
      "u64", // float* min
      "u64", // float* max
    ],
    result: "i32",
  },
  ll_bound_scores: {
    parameters: [
      "buffer", // ll_run* run
      "u64", // const float* q
      "i32", // int32_t heads
      "i32", // int32_t kv_heads
      "i32", // int32_t dim
      "buffer", // const int32_t* chosen
      "i32", // int32_t count
      "u64", // const float* min
      "u64", // const float* max
      "i32", // int32_t blocks
      "buffer", // float* bounds
    ],
    result: "i32",
  },
} as const;
RUN_SYMBOLS satisfies Deno.ForeignLibraryInterface;

/** Functions over host memory that only the library of the CPU has. */
export const INDEX_SYMBOLS = {
  ll_nearest_keys: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // const float* q
      "i32", // int32_t rows
      "i32", // int32_t kv_head
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t end
      "i32", // int32_t k
      "buffer", // int32_t* keys
      "buffer", // float* scores
    ],
    result: "i32",
    optional: true,
  },
  ll_score_keys: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // const float* q
      "i32", // int32_t rows
      "buffer", // const int32_t* kv_head_of
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t kv_len
      "buffer", // const int32_t* ptr
      "buffer", // const int32_t* keys
      "buffer", // float* scores
    ],
    result: "i32",
    optional: true,
  },
  ll_graph_extend: {
    parameters: [
      "buffer", // ll_run* run
      "i32", // int32_t kv_head
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t built
      "i32", // int32_t nodes
      "buffer", // const int32_t* lists
      "i32", // int32_t list_count
      "i32", // int32_t list_length
      "i32", // int32_t degree
      "i32", // int32_t width
      "buffer", // uint32_t* neighbours
      "buffer", // uint32_t* parents
      "buffer", // int32_t* entries
      "i32", // int32_t entry_count
    ],
    result: "i32",
    optional: true,
  },
  ll_graph_search: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // const float* q
      "i32", // int32_t rows
      "buffer", // const int32_t* kv_head_of
      "buffer", // const int32_t* graph_of
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t nodes
      "buffer", // const uint32_t* neighbours
      "i32", // int32_t capacity
      "i32", // int32_t degree
      "buffer", // const int32_t* entries
      "i32", // int32_t entry_count
      "i32", // int32_t width
      "i32", // int32_t k
      "buffer", // int32_t* keys
      "buffer", // float* scores
      "buffer", // int32_t* scanned
    ],
    result: "i32",
    optional: true,
  },
  ll_flat4_encode: {
    parameters: [
      "buffer", // ll_run* run
      "i32", // int32_t kv_head
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t first
      "i32", // int32_t nodes
      "buffer", // uint8_t* records
    ],
    result: "i32",
    optional: true,
  },
  ll_flat4_search: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // const float* q
      "i32", // int32_t rows
      "buffer", // const int32_t* kv_head_of
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t nodes
      "buffer", // const uint8_t* records
      "i64", // int64_t record_bytes
      "i32", // int32_t candidates
      "i32", // int32_t k
      "f32", // float scale
      "buffer", // int32_t* keys
      "buffer", // float* scores
      "buffer", // int32_t* scanned
      "buffer", // float* lse
    ],
    result: "i32",
    optional: true,
  },
  ll_cluster_keys: {
    parameters: [
      "buffer", // ll_run* run
      "i32", // int32_t kv_head
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t end
      "i32", // int32_t count
      "i32", // int32_t iterations
      "buffer", // float* centroids
      "buffer", // float* value_sums
      "buffer", // int32_t* sizes
      "buffer", // int32_t* cluster_of
    ],
    result: "i32",
    optional: true,
  },
  ll_cluster_search: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // const float* q
      "i32", // int32_t rows
      "buffer", // const int32_t* kv_head_of
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "buffer", // const float* centroids
      "buffer", // const int32_t* sizes
      "i32", // int32_t capacity
      "i32", // int32_t clusters
      "buffer", // const int32_t* member_ptr
      "buffer", // const int32_t* members
      "i32", // int32_t node_capacity
      "i32", // int32_t budget
      "i32", // int32_t k
      "buffer", // int32_t* keys
      "buffer", // float* scores
      "buffer", // int32_t* scanned
    ],
    result: "i32",
    optional: true,
  },
  ll_cluster_tail: {
    parameters: [
      "buffer", // ll_run* run
      "buffer", // const float* q
      "i32", // int32_t rows
      "buffer", // const int32_t* kv_head_of
      "f32", // float scale
      "i32", // int32_t dim
      "buffer", // void* const* pages
      "i32", // int32_t stride
      "i32", // int32_t kv_dtype
      "i32", // int32_t start
      "i32", // int32_t nodes
      "buffer", // const float* centroids
      "buffer", // const float* value_sums
      "buffer", // const int32_t* sizes
      "i32", // int32_t capacity
      "i32", // int32_t clusters
      "buffer", // const int32_t* cluster_of
      "i32", // int32_t node_capacity
      "buffer", // const int32_t* ptr
      "buffer", // const int32_t* listed
      "buffer", // float* out
      "buffer", // float* lse
    ],
    result: "i32",
    optional: true,
  },
} as const;
INDEX_SYMBOLS satisfies Deno.ForeignLibraryInterface;

type RunSymbols = typeof RUN_SYMBOLS & typeof INDEX_SYMBOLS;

/** Name of a function that takes an `ll_run`. */
export type RunName = keyof RunSymbols;

/** Arguments of such a function after its `ll_run`. */
export type RunArguments<Name extends RunName> = RunSymbols[Name]["parameters"] extends
  readonly [infer _Run, ...infer Rest extends readonly Deno.NativeType[]]
  ? Deno.ToNativeParameterTypes<Rest>
  : never;

/** The symbols under other keys, `nonblocking`: each returns a promise and runs off the event loop. */
export type Background = {
  readonly [Name in RunName as `${Name}_background`]: {
    readonly name: Name;
    readonly parameters: RunSymbols[Name]["parameters"];
    readonly result: "i32";
    readonly optional: boolean;
    readonly nonblocking: true;
  };
};

/** Makes the second binding of each function that may take long. */
export function inBackground(symbols: RunSymbols): Background {
  const entries = Object.entries(symbols).map(([name, { parameters, result, ...rest }]) => [
    `${name}_background`,
    { name, parameters, result, optional: "optional" in rest, nonblocking: true },
  ]);
  return Object.fromEntries(entries) as Background;
}
