// A decode step as a CUDA graph: captures the calls of one token on the library's stream, replays
// them, and compares every byte with what the calls themselves compute. Pages lie in both tiers.
//
// Prints a line of JSON and returns 0, or says what is wrong and returns 1. Linked with the CUDA
// library; over emulated CUDA it shows that no call does what a capture forbids.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "../../kernels/cuda/device.cuh"
#include "../../kernels/cuda/testing.h"

namespace {

#ifdef LONGLENS_EMULATED
constexpr int32_t kLayers = 2, kHeads = 4, kKvHeads = 2, kDim = 64, kFfn = 512, kVocab = 100;
constexpr int32_t kContext = 300, kTimed = 1;
#else
constexpr int32_t kLayers = 8, kHeads = 32, kKvHeads = 8, kDim = 128, kFfn = 8192, kVocab = 32000;
constexpr int32_t kContext = 8000, kTimed = 100;
#endif
constexpr int32_t kHidden = kHeads * kDim, kKvWidth = kKvHeads * kDim, kHalf = kDim / 2;
constexpr int32_t kPages = (kContext + LL_PAGE_TOKENS) / LL_PAGE_TOKENS;
constexpr float kEps = 1e-6f;

[[noreturn]] void Fail(const char* what, const char* why) {
  printf("%s: %s\n", what, why);
  exit(1);
}

void Do(int32_t status, const char* what) {
  if (status != LL_OK) Fail(what, ll_last_error());
}

void Cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) Fail(what, cudaGetErrorString(error));
}

void* Allocate(int64_t bytes, int32_t tier = LL_FAST) {
  void* memory = nullptr;
  Do(ll_alloc(bytes, tier, &memory), "ll_alloc");
  return memory;
}

float* Floats(int64_t count) { return static_cast<float*>(Allocate(4 * count)); }

// Numbers about 0, given that the type is f32 or bf16.
void* Random(std::mt19937& random, int64_t count, int32_t dtype, float size) {
  std::uniform_real_distribution<float> numbers(-size, size);
  std::vector<float> host(count);
  for (float& x : host) x = numbers(random);
  float* const floats = Floats(count);
  Do(ll_copy_in(floats, host.data(), 4 * count), "ll_copy_in");
  if (dtype == LL_F32) return floats;
  void* const halves = Allocate(2 * count);
  Do(ll_convert(nullptr, floats, LL_F32, halves, LL_BF16, count), "ll_convert");
  Do(ll_free(floats), "ll_free");
  return halves;
}

struct Layer {
  const void *wq, *wk, *wv, *wo, *gate, *up, *down;
  const float *norm, *norm2;
  std::vector<void*> pages;  // [kv_heads][kPages]
};

// A model with random weights and kContext tokens in its pages.
class Decoder {
 public:
  Decoder() {
    std::mt19937 random(7);
    const auto matrix = [&](int64_t out, int64_t in) {
      return Random(random, out * in, LL_BF16, 1.5f / std::sqrt(static_cast<float>(in)));
    };
    const auto floats = [&](int64_t count, float size) {
      return static_cast<float*>(Random(random, count, LL_F32, size));
    };
    table_ = matrix(kVocab, kHidden);
    cos_ = floats(kHalf, 1);
    sin_ = floats(kHalf, 1);
    norm_ = floats(kHidden, 1);
    for (Layer& layer : layers_) {
      layer = {matrix(kHidden, kHidden), matrix(kKvWidth, kHidden), matrix(kKvWidth, kHidden),
               matrix(kHidden, kHidden), matrix(kFfn, kHidden),     matrix(kFfn, kHidden),
               matrix(kHidden, kFfn),    floats(kHidden, 1),        floats(kHidden, 1),
               {}};
      Fill(layer, floats(int64_t{kContext} * kKvWidth, 1), floats(int64_t{kContext} * kKvWidth, 1));
    }
  }

  // Queues a token's calls. Everything that they read of host memory is gone when this returns.
  void Step() const {
    ll_run run{};
    run.compute = LL_BF16;
    const int32_t dtypes[] = {LL_BF16, LL_BF16, LL_BF16, LL_BF16};
    const int32_t id = 17, end = kContext + 1;
    const float position = kContext;
    std::vector<int32_t> range_ptr(kHeads + 1), ranges, index_ptr(kHeads + 1), indices;
    for (int32_t h = 0; h < kHeads; ++h) {
      ranges.insert(ranges.end(), {0, end});
      range_ptr[h + 1] = h + 1;
    }
    indices.push_back(0);
    Do(ll_embed(&run, &id, 1, table_, LL_BF16, kVocab, kHidden, 1, x_), "ll_embed");
    for (const Layer& l : layers_) {
      std::vector<void*> pages = l.pages;
      Do(ll_qkv(&run, x_, 1, kHidden, l.norm, kEps, l.wq, l.wk, l.wv, dtypes, nullptr, nullptr,
                nullptr, nullptr, nullptr, kHeads, kKvHeads, kDim, cos_, sin_, 1, kDim, nullptr, q_,
                k_, v_),
         "ll_qkv");
      Do(ll_append(&run, pages.data(), kPages, kKvHeads, kDim, LL_BF16, kContext, 1, k_, v_,
                   &position),
         "ll_append");
      Do(ll_attend_keys(&run, q_, 1, kHeads, kKvHeads, kDim, 0.1f, pages.data(), kPages, LL_BF16,
                        end, range_ptr.data(), ranges.data(), index_ptr.data(), indices.data(),
                        out_, lse_),
         "ll_attend_keys");
      Do(ll_output(&run, x_, 1, kHidden, out_, kHidden, l.wo, nullptr, l.norm2, kEps, l.gate,
                   l.up, l.down, dtypes, nullptr, kFfn, LL_SILU),
         "ll_output");
      memset(pages.data(), 0, pages.size() * sizeof(void*));
    }
    Do(ll_logits(&run, x_, 1, kHidden, norm_, kEps, table_, LL_BF16, kVocab, logits_), "ll_logits");
    memset(ranges.data(), 0, 4 * ranges.size());
  }

  // Forgets what a step computed.
  void Clear() const {
    const std::vector<float> zeros(std::max(kHidden, kVocab));
    Do(ll_copy_in(x_, zeros.data(), 4 * kHidden), "ll_copy_in");
    Do(ll_copy_in(logits_, zeros.data(), 4 * kVocab), "ll_copy_in");
  }

  std::vector<float> Logits() const {
    std::vector<float> logits(kVocab);
    Do(ll_copy_out(logits.data(), logits_, 4 * kVocab), "ll_copy_out");
    return logits;
  }

  // A call whose result is host memory.
  int32_t LogProb() const {
    const int32_t target = 0;
    float result;
    return ll_log_probs(nullptr, logits_, 1, kVocab, &target, &result);
  }

 private:
  static void Fill(Layer& layer, float* k, float* v) {
    int64_t bytes = 0;
    Do(ll_page_bytes(kDim, LL_BF16, &bytes), "ll_page_bytes");
    for (int32_t p = 0; p < kKvHeads * kPages; ++p) {
      layer.pages.push_back(Allocate(bytes, p % 2 == 0 ? LL_FAST : LL_SLOW));
    }
    std::vector<float> positions(kContext);
    Do(ll_append(nullptr, layer.pages.data(), kPages, kKvHeads, kDim, LL_BF16, 0, kContext, k, v,
                 positions.data()),
       "ll_append");
    Do(ll_free(k), "ll_free");
    Do(ll_free(v), "ll_free");
  }

  Layer layers_[kLayers];
  const void* table_;
  float *cos_, *sin_, *norm_;
  float* const x_ = Floats(kHidden);
  float* const q_ = Floats(kHidden);
  float* const k_ = Floats(kKvWidth);
  float* const v_ = Floats(kKvWidth);
  float* const out_ = Floats(kHidden);
  float* const lse_ = Floats(kHeads);
  float* const logits_ = Floats(kVocab);
};

// Copies so much that the memory through which copies go is used anew.
void CopyMuch() {
  const std::vector<float> rubbish(int64_t{4} << 20, 1e30f);
  float* const target = Floats(rubbish.size());
  Do(ll_copy_in(target, rubbish.data(), 4 * rubbish.size()), "ll_copy_in");
  Do(ll_free(target), "ll_free");
}

template <class Work>
double Microseconds(cudaStream_t stream, const Work& work) {
  Cuda(cudaStreamSynchronize(stream), "wait");
  const auto start = std::chrono::steady_clock::now();
  for (int32_t i = 0; i < kTimed; ++i) work();
  Cuda(cudaStreamSynchronize(stream), "wait");
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  return time.count() / kTimed;
}

cudaGraphExec_t Capture(cudaStream_t stream, const Decoder& decoder) {
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  Cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "begin to capture");
  decoder.Step();
  Cuda(cudaStreamEndCapture(stream, &graph), "end the capture");
  Cuda(cudaGraphInstantiate(&executable, graph, 0), "make the graph");
  return executable;
}

void RefuseToWait(cudaStream_t stream, const Decoder& decoder) {
  cudaGraph_t graph;
  Cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "begin to capture");
  if (decoder.LogProb() != LL_INVALID_ARGUMENT) Fail("ll_log_probs", "it was captured");
  if (strstr(ll_last_error(), "Cannot capture") == nullptr) Fail("ll_log_probs", ll_last_error());
  Cuda(cudaStreamEndCapture(stream, &graph), "end the capture");
  Cuda(cudaGraphDestroy(graph), "drop the graph");
  Do(decoder.LogProb(), "ll_log_probs");
}

}  // namespace

int main() {
  Do(ll_init(0, ""), "ll_init");
  void* handle = nullptr;
  Do(ll_internal_stream(&handle), "ll_internal_stream");
  const cudaStream_t stream = static_cast<cudaStream_t>(handle);
  const Decoder decoder;
  decoder.Step();
  const std::vector<float> expected = decoder.Logits();
  for (const float x : expected) {
    if (!(std::abs(x) < 1e6f)) Fail("logits", "they are not finite");
  }
  const cudaGraphExec_t graph = Capture(stream, decoder);
  for (int replay = 0; replay < 2; ++replay) {
    CopyMuch();
    decoder.Clear();
    Cuda(cudaGraphLaunch(graph, stream), "replay the graph");
    if (decoder.Logits() != expected) Fail("replay", "its logits are others");
  }
  const double calls = Microseconds(stream, [&] { decoder.Step(); });
  const double replays = Microseconds(stream, [&] { cudaGraphLaunch(graph, stream); });
  RefuseToWait(stream, decoder);
  decoder.Clear();
  decoder.Step();
  if (decoder.Logits() != expected) Fail("a step after all", "its logits are others");
  printf("{\"callsUs\": %.1f, \"replayUs\": %.1f}\n", calls, replays);
  return 0;
}
