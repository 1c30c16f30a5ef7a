#include <algorithm>

#include "launch.cuh"
#include "page_table.h"
#include "ptx.cuh"
#include "tile_pages.h"

namespace longlens {
namespace {

constexpr int kThreads = 256;

// A page to make: source page `page` of `head`.
struct PageJob {
  char* target;
  int32_t head, page;
};

// One block of threads for each 8 tokens of a page; a thread makes 8 channels of a token at a time.
__global__ void __launch_bounds__(kThreads)
    ConvertPages(DevicePages source, const PageJob* jobs, int32_t dim, int32_t kv_len) {
  constexpr int32_t kSpans = LL_PAGE_TOKENS / kGroupKeys;
  const PageJob job = jobs[blockIdx.x / kSpans];
  const PageLayout layout{dim, LL_BF16};
  const int32_t chunks = dim / 8, first = blockIdx.x % kSpans * kGroupKeys;
  for (int32_t i = threadIdx.x; i < 2 * kGroupKeys * chunks; i += kThreads) {
    const Part part = i < kGroupKeys * chunks ? Part::kKeys : Part::kValues;
    const int32_t slot = first + i / chunks % kGroupKeys, channel = i % chunks * 8;
    const int32_t token = job.page * LL_PAGE_TOKENS + slot;
    uint32_t pairs[4] = {};
    for (int32_t c = 0; c < 8 && token < kv_len; ++c) {
      if (channel + c >= source.layout.dim) break;
      const float x = source.Element(job.head, token, part, channel + c);
      pairs[c / 2] |= uint32_t{NarrowBf16(x)} << 16 * (c % 2);
    }
    char* const target = job.target + static_cast<int>(part) * layout.PartBytes();
    *reinterpret_cast<uint4*>(target + layout.ElementAt(slot, channel)) =
        make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
  }
}

// blockIdx.y: the pack; a thread copies chunks of 8 channels.
__global__ void __launch_bounds__(kThreads)
    GatherColumns(DevicePages pages, const int32_t* keys, const ColumnPack* packs, char* target) {
  const ColumnPack pack = packs[blockIdx.y];
  const int32_t dim = pages.layout.dim, chunks = dim / 8;
  char* const base = target + int64_t{pack.first_row} * dim * 4;
  const int64_t count = int64_t{pack.rows} * chunks;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * kThreads) {
    const int32_t row = static_cast<int32_t>(i / chunks), chunk = static_cast<int32_t>(i % chunks);
    const int32_t token = keys[pack.first_row + row];
    const int64_t at = (int64_t{chunk / 8} * pack.rows + row) * 128 + (chunk % 8 ^ row % 8) * 16;
    for (const Part part : {Part::kKeys, Part::kValues}) {
      uint4 x = make_uint4(0, 0, 0, 0);
      if (token >= 0) {
        const int64_t from = pages.layout.ElementAt(token % LL_PAGE_TOKENS, chunk * 8);
        x = *reinterpret_cast<const uint4*>(pages.Base(pack.kv_head, token, part) + from);
      }
      *reinterpret_cast<uint4*>(base + static_cast<int>(part) * (int64_t{pack.rows} * dim * 2) +
                                at) = x;
    }
  }
}

}  // namespace

int32_t KernelDim(int32_t dim) { return dim <= 64 ? 64 : dim <= 128 ? 128 : dim <= 256 ? 256 : 0; }

DevicePages MakeSwizzledPages(const Call& call, const PageTable& table, int64_t kv_len) {
  const PageLayout layout{KernelDim(static_cast<int32_t>(table.dim)), LL_BF16};
  const bool is_ready = table.dtype == LL_BF16 && table.dim == layout.dim;
  const int64_t count = (kv_len + LL_PAGE_TOKENS - 1) / LL_PAGE_TOKENS;
  // Of ready pages only the last is made again, as what lies behind kv_len may be no numbers.
  const int64_t first = is_ready ? kv_len / LL_PAGE_TOKENS : 0, made = count - first;
  char* const room = call.Scratch<char>(made * table.kv_heads * layout.PositionsAt());
  std::vector<char*> pages(table.kv_heads * count);
  std::vector<PageJob> jobs;
  for (int32_t head = 0; head < table.kv_heads; ++head) {
    for (int32_t page = 0; page < count; ++page) {
      char*& entry = pages[head * count + page];
      entry = static_cast<char*>(table.pages[head * table.stride + page]);
      if (page < first || entry == nullptr) continue;
      entry = room + static_cast<int64_t>(jobs.size()) * layout.PositionsAt();
      jobs.push_back({entry, head, page});
    }
  }
  if (!jobs.empty()) {
    const DevicePages source = CopyPagesIn(call, table, 0, kv_len);
    const int64_t spans = static_cast<int64_t>(jobs.size()) * (LL_PAGE_TOKENS / kGroupKeys);
    Launch(call, "convert pages", ConvertPages, dim3(spans), kThreads, 0, source,
           call.CopyIn(jobs.data(), static_cast<int64_t>(jobs.size())), layout.dim,
           static_cast<int32_t>(kv_len));
  }
  return {call.CopyIn(pages.data(), static_cast<int64_t>(pages.size())), count, layout};
}

const char* PackColumns(const Call& call, const DevicePages& pages, const int32_t* keys,
                        const std::vector<ColumnPack>& packs) {
  constexpr int64_t kMostPacks = 65535, kMostBlocks = 64;
  int64_t rows = 0;
  int32_t most = 0;
  for (const ColumnPack& pack : packs) {
    rows += pack.rows;
    most = std::max(most, pack.rows);
  }
  char* const target = call.Scratch<char>(rows * pages.layout.dim * 4);
  const int64_t count = static_cast<int64_t>(packs.size());
  const ColumnPack* const copied = call.CopyIn(packs.data(), count);
  const int64_t blocks =
      std::min(kMostBlocks, Blocks(int64_t{most} * pages.layout.dim / 8, kThreads));
  for (int64_t first = 0; first < count; first += kMostPacks) {
    Launch(call, "gather columns", GatherColumns, dim3(blocks, std::min(kMostPacks, count - first)),
           kThreads, 0, pages, keys, copied + first, target);
  }
  return target;
}

}  // namespace longlens
