// Keys and values as right operands of bf16 products (bf16_kernels.h).
//
//   keys   [page][block of 32 keys][dim / 32][1024]
//   values [page][block of 32 keys][dim / 32][1024]
// Keys from `kv_len` on are zero; pages that no plan of a KV head touches are not filled.
#ifndef LONGLENS_CPU_PACKED_KV_H_
#define LONGLENS_CPU_PACKED_KV_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "bf16_kernels.h"
#include "scratch.h"
#include "tile_call.h"

namespace longlens {

// Packs some of the KV heads of a call after the other ones, in memory of a bounded size, which
// the next call uses again.
class PackedKv {
 public:
  explicit PackedKv(const TileCall& tile_call);
  ~PackedKv();
  PackedKv(const PackedKv&) = delete;
  PackedKv& operator=(const PackedKv&) = delete;

  // KV heads that Fill takes at most.
  int32_t batch() const { return batch_; }
  // Packs what the bundles, which are of at most batch() KV heads, touch.
  void Fill(const Bundle* bundles, size_t count);

  // Page 0 of a KV head.
  const uint16_t* Keys(int32_t kv_head) const { return At(room_->keys, kv_head, 0); }
  const uint16_t* Values(int32_t kv_head) const { return At(room_->values, kv_head, 0); }

 private:
  struct Page {
    int32_t kv_head;
    int64_t page;
  };

  struct Room {
    Buffer<uint16_t> keys, values;
  };

  uint16_t* At(const Buffer<uint16_t>& buffer, int32_t kv_head, int64_t page) const {
    return buffer.data() + ((kv_head - first_head_) * pages_ + page) * page_elements_;
  }
  int64_t Elements() const { return batch_ * pages_ * page_elements_; }
  std::vector<Page> TouchedPages(const Bundle* bundles, size_t count) const;
  void FillPage(const Page& page) const;

  const TileCall& c_;
  int64_t pages_, page_elements_;
  int32_t batch_, first_head_ = 0;
  std::unique_ptr<Room> room_;

  static Spare<Room> spare_;
};

// Packs a block of at most 32 rows of f32, one after the other.
void PackBlock(const Bf16Kernels& bf16, const float* keys, const float* values, int64_t count,
               int64_t dim, uint16_t* packed_keys, uint16_t* packed_values);

}  // namespace longlens

#endif  // LONGLENS_CPU_PACKED_KV_H_
