// The C ABI of Longlens: the one source of truth of every native call.
//
// Conventions, unless a function says otherwise:
// - Every function returns an ll_status; results go through out-pointers.
// - "device memory" is memory from ll_alloc, ll_map_file or ll_extend_file of the same library; "host memory" is the
//   caller's. Activations, q, out and lse are device f32; weights, pages and tables are device memory;
//   ids, plans, page tables, ranges and indices are host memory, read during the call only.
// - The caller owns everything it passes. Buffers of one call must not be written until it returns.
// - All functions are thread-safe; calls that share an output buffer must not overlap. Functions that
//   take an ll_run may take long; the others return at once.
// - Shapes stand in brackets, outermost dimension first, contiguous.
// - `group = heads / kv_heads`; query head h reads KV head h / group.
// - Natural logarithms. lse includes the factor `scale`; an empty row gives out 0 and lse -INFINITY.
#ifndef LONGLENS_H_
#define LONGLENS_H_

#include <stdint.h>

#if defined(_WIN32)
#define LL_API __declspec(dllexport)
#else
#define LL_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LL_ABI_VERSION 1
#define LL_PAGE_TOKENS 256
#define LL_FLAT4_KEYS 256
#define LL_NO_NODE 0xFFFFFFFFu

// Status codes.
#define LL_OK 0
#define LL_INVALID_ARGUMENT 1
#define LL_OUT_OF_MEMORY 2
#define LL_CANCELLED 3
#define LL_IO_ERROR 4
#define LL_INTERNAL_ERROR 5

// Element types; LL_INT8 of pages only, LL_F16 and what follows LL_INT8 of weight matrices only.
#define LL_F32 0
#define LL_BF16 1
#define LL_F16 2
#define LL_INT8 3
// Blocks of quantised weights along a row, as GGUF files hold them: 32 elements in 18, 20, 22, 24 and 34 bytes, 256 in
// 144, 176 and 210. Rows are whole blocks.
#define LL_Q4_0 4
#define LL_Q4_1 5
#define LL_Q5_0 6
#define LL_Q5_1 7
#define LL_Q8_0 8
#define LL_Q4_K 9
#define LL_Q5_K 10
#define LL_Q6_K 11

// Tiers of device memory. LL_SLOW is host memory that the device reads and writes itself, where there is such memory;
// elsewhere both are the same. A page table may hold pages of both.
#define LL_FAST 0
#define LL_SLOW 1

// Activations of the gated feed-forward layer.
#define LL_SILU 0
#define LL_GELU_TANH 1

// One run's shared record, host memory of the caller. `cancel` is set by the caller from any thread
// and polled by the callee at least every 20 ms of work; `progress` counts units the callee has finished
// (tile rows, output rows); `error` receives the message of a failed call, because ll_last_error() belongs
// to the thread that ran the call, which need not be the caller's. Any function accepts a null ll_run.
// `compute` is set by the caller: LL_BF16 lets ll_attend_tiles, ll_vertical_slash, and ll_qkv, ll_output and ll_logits with weights
// of any type but LL_F32, round the operands of their products (q, k, v, probabilities of attention, activations) to bf16 where the instruction set
// multiplies such; sums are f32. Elsewhere, and with LL_F32 or a null ll_run, operands are f32. ll_info tells what the
// instruction set in use can do.
typedef struct ll_run {
  int32_t cancel;
  int32_t compute;
  int64_t progress;
  char error[240];
} ll_run;

// ---- library ----

// Returns LL_ABI_VERSION of the library (not a status).
LL_API int32_t ll_abi_version(void);

// Message of the last failed call of this thread, or an empty string; valid until the next call (not a status).
LL_API const char* ll_last_error(void);

// Starts the library: chooses the instruction set and starts the thread pool. Calling it again with the
// same arguments does nothing; with others it waits for running calls and changes them.
// threads: number of threads, 0 for the cores this process may use.
// isa: "portable", "avx2", "avx512", "avx512bf16", "amx" or "" for the best one of this machine, host memory,
//   zero-terminated. The last two compute in f32 as "avx512" does, and multiply bf16 where an ll_run asks for it.
//   One that this machine or this build lacks is LL_INVALID_ARGUMENT.
LL_API int32_t ll_init(int32_t threads, const char* isa);

// Writes a zero-terminated JSON object {"backend","isa","available":[...],"compute":[...],"threads","tiers":[...]} of at most
// `capacity` bytes. tiers: "fast", and "slow" where that is other memory.
LL_API int32_t ll_info(char* json, int32_t capacity);

// ---- memory ----

// Allocates `bytes` (> 0) of zeroed device memory, aligned to 64. tier: LL_FAST or LL_SLOW.
LL_API int32_t ll_alloc(int64_t bytes, int32_t tier, void** out);
// Frees memory of ll_alloc; null does nothing.
LL_API int32_t ll_free(void* memory);
// Copies host memory to device memory.
LL_API int32_t ll_copy_in(void* device, const void* host, int64_t bytes);
// Copies device memory to host memory.
LL_API int32_t ll_copy_out(void* host, const void* device, int64_t bytes);
// Copies device memory to device memory; the two must not overlap.
LL_API int32_t ll_copy(void* target, const void* source, int64_t bytes);
// Maps a file read-only. path: UTF-8, zero-terminated, host. out: device address of byte 0; bytes: its size.
LL_API int32_t ll_map_file(const char* path, void** out, int64_t* bytes);
// Ends a mapping of ll_map_file.
LL_API int32_t ll_unmap_file(void* address, int64_t bytes);
// Creates a file of pages: device memory that the system writes out and drops when memory runs short, so that more fits than
// memory holds. Only the library of the CPU has this and the next two functions. path: UTF-8, zero-terminated, host; a file that
// is there already is LL_IO_ERROR. Its name is taken away at once: the space is free again when the file is closed and its
// mappings have ended, or the process has, however it ended. file: what the next two take.
LL_API int32_t ll_create_file(const char* path, int32_t* file);
// Adds `bytes` zeros at the end, a multiple of 65536, and maps them: out is the device address of the first. Their space on the disk is
// taken at once; where it has too little it is LL_OUT_OF_MEMORY, and the file is as before. Calls for one file must not overlap.
// ll_unmap_file ends the mapping.
LL_API int32_t ll_extend_file(int32_t file, int64_t bytes, void** out);
// Closes a file of pages; what is mapped stays.
LL_API int32_t ll_close_file(int32_t file);
// Converts `count` elements from any type but LL_INT8 to LL_F32 or LL_BF16 (round to nearest even), or from LL_F32, LL_BF16 or
// LL_F16 to LL_Q8_0 or LL_Q4_1. `count` is whole blocks of both. source may be unaligned.
// LL_Q8_0: scale = largest |x| / 127, as f16; LL_Q4_1: least x and (largest - least) / 15, as f16; nearest integers.
LL_API int32_t ll_convert(ll_run* run, const void* source, int32_t source_dtype, void* target,
                          int32_t target_dtype, int64_t count);

// ---- model operations ----
// Weight matrices are [out][in] (y = x W^T) of any type but LL_INT8; LL_F32, LL_BF16 and LL_F16 are aligned to their element,
// blocks need not be. Norm weights and biases are f32. Sums are f32. Rows of x may be multiplied with blocks as integers: then x
// is rounded to 16 bits times a scale for each 32 elements of a row, the largest of them being 32767.

// out[t] = scale * table[ids[t]].  ids [tokens] in 0 <= id < vocab; table [vocab][hidden]; out [tokens][hidden].
LL_API int32_t ll_embed(ll_run* run, const int32_t* ids, int32_t tokens, const void* table,
                        int32_t table_dtype, int32_t vocab, int32_t hidden, float scale, float* out);

// h = rmsnorm(x; norm, eps);  q, k, v = h wq^T + bq, h wk^T + bk, h wv^T + bv;  per head: q = rmsnorm(q; q_norm), k likewise;
// then rotary embedding (rotate halves) of q and k over their first `rot` dimensions:
//   (a, b) = (x[i], x[i + rot/2]) -> (a cos - b sin, b cos + a sin),  i < rot/2.
// x [tokens][hidden]; norm [hidden]; wq [heads*dim][hidden]; wk, wv [kv_heads*dim][hidden]; weight_dtypes [3]: host, of wq, wk, wv;
// bq [heads*dim], bk, bv [kv_heads*dim], q_norm, k_norm [dim]: each may be null.
// cos, sin [tables][tokens][rot/2]: device; table_of_head [heads + kv_heads]: host, query heads first, or null for table 0.
// q [tokens][heads][dim]; k, v [tokens][kv_heads][dim].
LL_API int32_t ll_qkv(ll_run* run, const float* x, int32_t tokens, int32_t hidden, const float* norm,
                      float eps, const void* wq, const void* wk, const void* wv,
                      const int32_t* weight_dtypes, const float* bq, const float* bk, const float* bv, const float* q_norm,
                      const float* k_norm, int32_t heads, int32_t kv_heads, int32_t dim,
                      const float* cos, const float* sin, int32_t tables, int32_t rot,
                      const int32_t* table_of_head, float* q, float* k, float* v);

// y = x + a;  a = attention wo^T;  h = rmsnorm(y; norm, eps);  x <- y + f;  f = (act(h wgate^T) * (h wup^T)) wdown^T;
// before they are added a = rmsnorm(a; a_norm, eps) and f = rmsnorm(f; f_norm, eps), where these are not null.
// x [tokens][hidden], read and written; attention [tokens][width]; wo [hidden][width]; a_norm, norm, f_norm [hidden];
// wgate, wup [ffn][hidden]; wdown [hidden][ffn]; weight_dtypes [4]: host, of wo, wgate, wup, wdown;
// activation: LL_SILU or LL_GELU_TANH.
LL_API int32_t ll_output(ll_run* run, float* x, int32_t tokens, int32_t hidden, const float* attention,
                         int32_t width, const void* wo, const float* a_norm, const float* norm,
                         float eps, const void* wgate, const void* wup, const void* wdown,
                         const int32_t* weight_dtypes, const float* f_norm, int32_t ffn,
                         int32_t activation);

// out = rmsnorm(x; norm, eps) head^T.  x [rows][hidden]; norm [hidden]; head [vocab][hidden]; out [rows][vocab].
LL_API int32_t ll_logits(ll_run* run, const float* x, int32_t rows, int32_t hidden, const float* norm,
                         float eps, const void* head, int32_t head_dtype, int32_t vocab, float* out);

// out[r] = logits[r][targets[r]] - log sum exp logits[r].  logits [rows][vocab]; targets [rows] host; out [rows] host.
LL_API int32_t ll_log_probs(ll_run* run, const float* logits, int32_t rows, int32_t vocab,
                            const int32_t* targets, float* out);

// ---- keys and values ----
// A page holds LL_PAGE_TOKENS tokens of one layer and KV head: K [256][dim], then V [256][dim] (dtype LL_F32 or
// LL_BF16 or LL_INT8), then f32 positions [256]. ll_page_bytes tells its size. A page table is host memory:
// pages [kv_heads][stride] addresses; token t of KV head g lies in pages[g * stride + t / 256], slot t % 256.
//
// LL_INT8 pages hold integers -127 .. 127 and, behind the positions, uint8 exponents of V [256] and of K [dim]:
//   v[t][i] = V[t][i] * 2^(ev[t] - 127),  k[t][i] = K[t][i] * 2^(ek[i] - 127),  exponent 0: zeros only
// A scale is the least power of two, from 2^-126 to 2^121, that |x| <= 127 scale allows (beyond: saturated): of V for
// the largest element of its token, of K for the largest element that its channel has had in this page. A token that
// needs a larger scale of a channel makes the page's earlier keys of that channel rounded again, so an append may write
// any key of its first page, and tokens are taken one after the other however they were cut into calls. Writing slot 0
// begins a page anew. A value is off by at most scale / 2 and a key by at most its scale of then. All numbers of such a
// page are exact in bf16, and appending what was read gives the same numbers again.

LL_API int32_t ll_page_bytes(int32_t dim, int32_t kv_dtype, int64_t* out);

// Writes tokens start .. start+tokens-1.  k, v [tokens][kv_heads][dim]; positions [tokens] host. For LL_INT8 pages
// k and v must be finite: else nothing is written and it is LL_INVALID_ARGUMENT.
LL_API int32_t ll_append(ll_run* run, void* const* pages, int32_t stride, int32_t kv_heads, int32_t dim,
                         int32_t kv_dtype, int32_t start, int32_t tokens, const float* k, const float* v,
                         const float* positions);

// Reads tokens start .. start+tokens-1 of one KV head as f32 into host memory: k, v [tokens][dim], positions [tokens];
// each may be null.
LL_API int32_t ll_read_kv(void* const* pages, int32_t stride, int32_t kv_head, int32_t dim,
                          int32_t kv_dtype, int32_t start, int32_t tokens, float* k, float* v,
                          float* positions);

// ---- attention ----

// Prefill over tile plans. Row t of q is token q_start + t; it sees the keys that its head's plan holds.
// q, out [tokens][heads][dim]; lse [tokens][heads]. kv_len: tokens in the pages, >= q_start + tokens.
// plans: packed int32, host:
//   [0] number of distinct plans P; [1 .. heads] plan number of each query head;
//   then P records of 9 words: tile_q, tile_k, row_tiles, and the offsets (in words, from the buffer's start) of
//     row_ptr [row_tiles+1], key_start [tiles], kind [tiles], col_ptr [row_tiles+1], columns [], masks [].
// Row tile r covers rows r*tile_q .. of this call (the last may be short); row_tiles = ceil(tokens / tile_q).
// Tile x covers keys key_start[x] .. key_start[x] + tile_k - 1, any start in 0 <= start < kv_len.
//   kind 0: full: every row of the row tile sees every key of it (keys >= kv_len do not occur).
//   kind 1: causal: a row sees the keys <= its own position.
//   kind 2 + m: masked: row i sees key c of the tile where bit (c % 32) of
//     masks[(m * tile_q + i) * (tile_k / 32) + c / 32] is set; the mask includes causality.
// Columns of row tile r are single keys that all its rows see. No key is held twice by a row.
// Kernels clip tiles by kv_len, but by causality only those of kind 1: full tiles, masked tiles and columns (which must
// be < kv_len) are taken as they are, so the caller's plan must be causal.
// tile_q in 1..64; tile_k a multiple of 32, at most 64.
LL_API int32_t ll_attend_tiles(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                               int32_t heads, int32_t kv_heads, int32_t dim, float scale,
                               void* const* pages, int32_t stride, int32_t kv_dtype, int32_t kv_len,
                               const int32_t* plans, int64_t plan_words, float* out, float* lse);

// Decode over key sets. Row r, head h sees the keys of ranges [range_ptr[x], range_ptr[x+1]) and of
// indices [index_ptr[x], index_ptr[x+1]), x = r * heads + h; a range is a pair start, end (exclusive).
// q, out [rows][heads][dim]; lse [rows][heads]; range_ptr, index_ptr [rows*heads + 1]; range_ptr counts pairs.
// No key is held twice. All keys are < kv_len.
LL_API int32_t ll_attend_keys(ll_run* run, const float* q, int32_t rows, int32_t heads, int32_t kv_heads,
                              int32_t dim, float scale, void* const* pages, int32_t stride,
                              int32_t kv_dtype, int32_t kv_len, const int32_t* range_ptr,
                              const int32_t* ranges, const int32_t* index_ptr, const int32_t* indices,
                              float* out, float* lse);

// Merges two partial attentions over disjoint key sets:
//   lse = log(exp(lse_a) + exp(lse_b));  out = exp(lse_a - lse) out_a + exp(lse_b - lse) out_b.
// out_* [rows][dim]; lse_* [rows]. out and lse may be out_a and lse_a.
LL_API int32_t ll_merge(ll_run* run, int32_t rows, int32_t dim, const float* out_a, const float* lse_a,
                        const float* out_b, const float* lse_b, float* out, float* lse);

// Probabilities of one query over a key set, zero elsewhere. q [dim] device; ranges [range_count] pairs and
// indices [index_count] host, as in ll_attend_keys; probs [kv_len] host; lse: host.
LL_API int32_t ll_attention_row(ll_run* run, const float* q, int32_t kv_head, int32_t dim, float scale,
                                void* const* pages, int32_t stride, int32_t kv_dtype, int32_t kv_len,
                                const int32_t* ranges, int32_t range_count, const int32_t* indices,
                                int32_t index_count, float* probs, float* lse);

// Adds the dense causal attention of rows q_start .. q_start+tokens-1 of query head `head` to a pooled map of the whole
// n x n map: bin of token i is i * bins / n (integer division), 1 <= bins <= n.
// q [tokens][heads][dim] device; sum, max [bins][bins] host, read and written: sum gains probabilities, max their maximum.
LL_API int32_t ll_pool_map(ll_run* run, const float* q, int32_t q_start, int32_t tokens, int32_t heads,
                           int32_t head, int32_t kv_heads, int32_t dim, float scale, void* const* pages,
                           int32_t stride, int32_t kv_dtype, int32_t n, int32_t bins, float* sum,
                           float* max);

// The k keys of start <= j < end with the largest q.k for each listed query head, falling scores, equal scores by lower index.
// q [heads][dim] device; chosen [count] host: query heads; indices, scores [count][k] host, scores without `scale`;
// where end - start < k the rest is -1 and -INFINITY.
LL_API int32_t ll_top_keys(ll_run* run, const float* q, int32_t heads, int32_t kv_heads, int32_t dim,
                           const int32_t* chosen, int32_t count, void* const* pages, int32_t stride,
                           int32_t kv_dtype, int32_t start, int32_t end, int32_t k, int32_t* indices,
                           float* scores);

// ---- estimates of attention ----
// What sparse methods choose keys by. Rows of q are tokens q_start ..; a row sees the keys up to its own; keys at and
// beyond q_start + tokens are not read. chosen [count] host: query heads. Results are host memory, of O(keys) per head, or
// of O(blocks^2) where the result has an entry for each pair of blocks. Blocks of rows count from the call's first row.

// Sums over the rows of their attention probabilities, by key and by distance (vertical and slash lines: MInference takes the
// last 64 queries, FlexPrefill the last block of them; SnapKV sums columns of the last 32):
//   a[t][j] = softmax_j(scale q[t] . k[j]), j <= q_start + t;
//   vertical[c][j] = sum_t a[t][j];  slash[c][x] = sum_t a[t][q_start + t - x].
// q [tokens][heads][dim]; vertical, slash [count][q_start + tokens]; both are sums of `tokens` rows that are 1 each.
// Progress: a unit per head and span of 2048 keys.
LL_API int32_t ll_vertical_slash(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                                 int32_t heads, const int32_t* chosen, int32_t count,
                                 int32_t kv_heads, int32_t dim, float scale, void* const* pages,
                                 int32_t stride, int32_t kv_dtype, float* vertical, float* slash);

// Mean of each block of `block` rows of q, of fewer at the end: out[b] = sum_t q[b block + t] / rows of b.
// q [tokens][heads][dim]; out [ceil(tokens / block)][heads][dim] device. Progress: a unit per block.
LL_API int32_t ll_pool_queries(ll_run* run, const float* q, int32_t tokens, int32_t heads,
                               int32_t dim, int32_t block, float* out);

// Mean of each block of `block` keys of start <= j < end, of fewer at the end.
// out [ceil((end - start) / block)][kv_heads][dim] device. Progress: a unit per block and KV head.
LL_API int32_t ll_pool_keys(ll_run* run, int32_t kv_heads, int32_t dim, void* const* pages,
                            int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                            int32_t block, float* out);

// Scores of pairs of blocks by their means (MInference's block-sparse, FlexPrefill's query-aware pattern):
//   scores[c][R][C] = scale q[R] . k[C], or with softmax = 1 its softmax over C, for the blocks C that begin at or before the
//   last token of row block R: C block <= q_start + (R + 1) block - 1; the others are -INFINITY, or 0 with softmax.
// q [q_blocks][heads][dim] of ll_pool_queries; k [k_blocks][kv_heads][dim] of ll_pool_keys with start 0; both device;
// scores [count][q_blocks][k_blocks] host. Progress: a unit per row block and head.
LL_API int32_t ll_block_scores(ll_run* run, const float* q, int32_t q_blocks, int32_t heads,
                               const int32_t* chosen, int32_t count, const float* k,
                               int32_t k_blocks, int32_t kv_heads, int32_t dim, float scale,
                               int32_t q_start, int32_t block, int32_t softmax, float* scores);

// Sums of antidiagonals, after softmax, by block (XAttention, whose stride is `step`):
//   s[I][J] = scale / step sum_{r < step} q[I step + step - 1 - r] . k[J step + r], tokens beyond the last count as zeros;
//   p[I] = softmax of s[I] over the cells J that begin at or before the last token of I: J <= I where q_start is 0;
//   scores[c][R][C] = sum of p over the (block / step)^2 cells of R and C: a row adds up to its number of cells I.
// q [tokens][heads][dim]; block: a multiple of step; scores [count][ceil(tokens / block)][ceil((q_start + tokens) / block)] host.
// The paper's factor is scale = 1 / (sqrt(dim) norm). Progress: a unit per row block and head.
LL_API int32_t ll_antidiagonal_scores(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                                      int32_t heads, const int32_t* chosen, int32_t count,
                                      int32_t kv_heads, int32_t dim, float scale,
                                      void* const* pages, int32_t stride, int32_t kv_dtype,
                                      int32_t step, int32_t block, float* scores);

// Channelwise bounds of each block of `block` keys of start <= j < end (the pages of Quest): min[b][i] = min_j k[j][i], max
// likewise. min, max [ceil((end - start) / block)][kv_heads][dim] device. Progress: a unit per block and KV head.
LL_API int32_t ll_key_bounds(ll_run* run, int32_t kv_heads, int32_t dim, void* const* pages,
                             int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                             int32_t block, float* min, float* max);

// What q . k of no key of a block exceeds (Quest), without `scale`, where q and the bounds are finite:
//   bounds[c][b] = sum_i max(q[i] min[b][i], q[i] max[b][i]),
// rounded upwards in every step: never below the exact sum, but scores that a kernel has rounded may be above it.
// q [heads][dim]; min, max [blocks][kv_heads][dim] of ll_key_bounds; all device; bounds [count][blocks] host.
// Progress: a unit per block and KV head.
LL_API int32_t ll_bound_scores(ll_run* run, const float* q, int32_t heads, int32_t kv_heads,
                               int32_t dim, const int32_t* chosen, int32_t count, const float* min,
                               const float* max, int32_t blocks, float* bounds);

// ---- indexes over keys ----
// What finds the keys that a query attends to most without scoring all of them. All memory of these functions is host memory, queries,
// results and pages included, and only the library of the CPU has them: pages of others are to be copied by ll_read_kv and ll_append, as each
// lays out its own. An index covers keys start .. start+nodes-1
// of a KV head: node i is key start + i. Rows of q ask together: row r asks for KV head kv_head_of[r]; those of one KV head are best
// neighbours in the list, their keys are then read once. Scores are q . k, without a scale; results fall by score, equal ones by lower
// key; where fewer than k keys are found the rest is -1 and -INFINITY. Keys and queries must be finite: what builds an index refuses others
// with LL_INVALID_ARGUMENT. Results depend on the arguments only, not on the number of threads. `scanned` [rows] counts the keys whose
// q . k was computed for a row (in clusters: centroids, too).

// The k keys of start <= j < end with the largest q . k for each row, all of one KV head: blocked products for many rows.
// q [rows][dim]; keys, scores [rows][k]; scores may be null. Progress: a unit per row.
LL_API int32_t ll_nearest_keys(ll_run* run, const float* q, int32_t rows, int32_t kv_head, int32_t dim,
                               void* const* pages, int32_t stride, int32_t kv_dtype, int32_t start,
                               int32_t end, int32_t k, int32_t* keys, float* scores);

// scores[x] = q[r] . k[keys[x]],  ptr[r] <= x < ptr[r+1].  q [rows][dim]; ptr [rows+1]; keys [ptr[rows]] < kv_len.
LL_API int32_t ll_score_keys(ll_run* run, const float* q, int32_t rows, const int32_t* kv_head_of,
                             int32_t dim, void* const* pages, int32_t stride, int32_t kv_dtype,
                             int32_t kv_len, const int32_t* ptr, const int32_t* keys, float* scores);

// Makes a graph over the keys of a KV head, or extends one by nodes built .. nodes-1 (RoarGraph's projection with distances between keys in
// L2, Chen et al. 2024; queries only rank). neighbours [nodes][degree], read and written: node numbers, LL_NO_NODE behind the last.
// lists [list_count][list_length]: keys nearest to sampled queries, of ll_nearest_keys, -1 behind the last; they link their keys among each other.
// Then each new node searches the graph in L2, `width` wide, and is linked to some of the best 4 width of all that it scored. Every node can be
// reached from the entries:
// entries [entry_count], nodes at which searches begin, -1 behind the last where there are fewer nodes; parents [nodes], by whose link a
// node is reached from them, of an entry a node, too. Both are written; where a graph is extended they are read, too, and entries stay
// unless there was a -1 among them. degree >= 2.
// After an error the links of nodes 0 .. built-1 may lack some.
// Progress: a unit per new node.
LL_API int32_t ll_graph_extend(ll_run* run, int32_t kv_head, int32_t dim, void* const* pages,
                               int32_t stride, int32_t kv_dtype, int32_t start, int32_t built,
                               int32_t nodes, const int32_t* lists, int32_t list_count,
                               int32_t list_length, int32_t degree, int32_t width,
                               uint32_t* neighbours, uint32_t* parents, int32_t* entries,
                               int32_t entry_count);

// Best-first search of graphs for the k keys with the largest q . k; width >= k nodes are kept for each row. Each row searches by itself:
// rows that share what they reach score half as many keys again to find the same, in the same time.
// graph_of [rows]; neighbours [graphs][capacity][degree]; entries [graphs][entry_count]; nodes: of each graph, <= capacity; edges to nodes at
// and beyond it are not followed. keys, scores [rows][k]; scanned [rows].
LL_API int32_t ll_graph_search(ll_run* run, const float* q, int32_t rows, const int32_t* kv_head_of,
                               const int32_t* graph_of, int32_t dim, void* const* pages,
                               int32_t stride, int32_t kv_dtype, int32_t start, int32_t nodes,
                               const uint32_t* neighbours, int32_t capacity, int32_t degree,
                               const int32_t* entries, int32_t entry_count, int32_t width, int32_t k,
                               int32_t* keys, float* scores, int32_t* scanned);

// Keys in 4 bits a channel: a record of LL_FLAT4_KEYS keys holds f32 low [dim], step [dim] and 16 levels a channel, for which
// k[j][i] ~ low[i] + step[i] level[j][i]; low and step are from the least and the largest of the record's keys; a constant channel has step 0.
// Writes the records of keys start+first .. start+nodes-1 of a KV head; first is a multiple of LL_FLAT4_KEYS. The last record may hold fewer
// keys; it is written anew when there are more. Levels lie in an order of the library's own, the same on every machine.
// records [ceil(nodes / LL_FLAT4_KEYS)][LL_FLAT4_KEYS * dim / 2 + 8 * dim] bytes, from record 0 on, at a multiple of 4; dim is a multiple of 4.
// Progress: a unit per record.
LL_API int32_t ll_flat4_encode(ll_run* run, int32_t kv_head, int32_t dim, void* const* pages,
                               int32_t stride, int32_t kv_dtype, int32_t start, int32_t first,
                               int32_t nodes, uint8_t* records);

// Scores all nodes in 4 bits, then the best `candidates` >= k of each row exactly; the k best of these.
// records [kv_heads][record_bytes]; scanned is `candidates` at most: exact scores. lse [rows] or null: log sum over all nodes of exp(scale s), with
// s the 4-bit scores, exact ones for the candidates. Queries are rounded to 8 bits for each record in 4-bit scores. Progress: a unit per row.
LL_API int32_t ll_flat4_search(ll_run* run, const float* q, int32_t rows, const int32_t* kv_head_of,
                               int32_t dim, void* const* pages, int32_t stride, int32_t kv_dtype,
                               int32_t start, int32_t nodes, const uint8_t* records,
                               int64_t record_bytes, int32_t candidates, int32_t k, float scale,
                               int32_t* keys, float* scores, int32_t* scanned, float* lse);

// Spherical k-means of the keys of a KV head, their mean subtracted (RetroInfer's wave index): `count` clusters, first centres evenly
// spaced keys, `iterations` passes; at last each key joins the cluster with the largest product of its centred key and the unit centre,
// of equal ones the lowest. A cluster that no key joins keeps its centre.
// centroids, value_sums [count][dim]: mean of a cluster's keys (mean of all added back) and sum of its values, zeros where it has none;
// sizes [count], may be 0; cluster_of [end - start]. Progress: a unit per pass, and one for the last joining.
LL_API int32_t ll_cluster_keys(ll_run* run, int32_t kv_head, int32_t dim, void* const* pages,
                               int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                               int32_t count, int32_t iterations, float* centroids,
                               float* value_sums, int32_t* sizes, int32_t* cluster_of);

// Scores all centroids; opens the clusters with the largest q . c until they hold `budget` keys or more, and scores their keys; the k best.
// centroids [kv_heads][capacity][dim]; sizes [kv_heads][capacity]; clusters <= capacity: of each KV head; member_ptr [kv_heads][capacity + 1] and
// members [kv_heads][node_capacity]: the nodes of each cluster. keys, scores [rows][k]; scanned [rows].
LL_API int32_t ll_cluster_search(ll_run* run, const float* q, int32_t rows, const int32_t* kv_head_of,
                                 int32_t dim, void* const* pages, int32_t stride, int32_t kv_dtype,
                                 int32_t start, const float* centroids, const int32_t* sizes,
                                 int32_t capacity, int32_t clusters, const int32_t* member_ptr,
                                 const int32_t* members, int32_t node_capacity, int32_t budget,
                                 int32_t k, int32_t* keys, float* scores, int32_t* scanned);

// Attention over nodes 0 .. nodes-1 but the listed keys, as if each key were its cluster's mean (RetroInfer's estimation zone):
//   w[c] = exp(scale q . centroid[c]);  lse = log sum_c n[c] w[c];  out = sum_c w[c] (value_sums[c] - values of listed keys of c) / exp(lse),
// n[c] = size less the listed keys of c; a cluster without others adds nothing. By Jensen lse is at most that of
// the same keys where none is listed; with listed keys it may be above it, as the means hold these, too.
// value_sums [kv_heads][capacity][dim]; cluster_of [kv_heads][node_capacity]; ptr [rows+1] and listed: keys that the estimate leaves out, each once;
// out [rows][dim], lse [rows]; nothing left: out 0, lse -INFINITY.
LL_API int32_t ll_cluster_tail(ll_run* run, const float* q, int32_t rows, const int32_t* kv_head_of,
                               float scale, int32_t dim, void* const* pages, int32_t stride,
                               int32_t kv_dtype, int32_t start, int32_t nodes,
                               const float* centroids, const float* value_sums,
                               const int32_t* sizes, int32_t capacity, int32_t clusters,
                               const int32_t* cluster_of, int32_t node_capacity,
                               const int32_t* ptr, const int32_t* listed, float* out, float* lse);

#ifdef __cplusplus
}
#endif
#endif  // LONGLENS_H_
