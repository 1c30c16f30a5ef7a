#include "tile_plans.h"

#include "status.h"

namespace longlens {
namespace {

constexpr char kAction[] = "attend tiles";
constexpr int64_t kRecordWords = 9;

class Reader {
 public:
  Reader(const int32_t* words, int64_t count, int32_t tokens, int32_t kv_len)
      : words_(words), count_(count), tokens_(tokens), kv_len_(kv_len) {}

  // `length` words from `offset` on.
  const int32_t* Array(int64_t offset, int64_t length, const char* name) const {
    if (offset < 0 || length < 0 || offset > count_ - length) {
      throw Error(LL_INVALID_ARGUMENT,
                  "Cannot attend tiles as %s must lie in the %lld words of plans: current range is "
                  "%lld..%lld",
                  name, static_cast<long long>(count_), static_cast<long long>(offset),
                  static_cast<long long>(offset + length));
    }
    return words_ + offset;
  }

  TilePlan Record(int64_t offset) const {
    const int32_t* const r = Array(offset, kRecordWords, "a plan's record");
    TilePlan plan{};
    plan.tile_q = r[0];
    plan.tile_k = r[1];
    plan.row_tiles = r[2];
    Require(plan.tile_q >= 1 && plan.tile_q <= 64, kAction, "tile_q must be in 1..64", plan.tile_q);
    Require(plan.tile_k == 32 || plan.tile_k == 64, kAction, "tile_k must be 32 or 64",
            plan.tile_k);
    Require(plan.row_tiles == (int64_t{tokens_} + plan.tile_q - 1) / plan.tile_q, kAction,
            "row_tiles must be ceil(tokens / tile_q)", plan.row_tiles);
    plan.row_ptr = Pointers(r[3], plan.row_tiles, "row_ptr");
    const int32_t tiles = plan.row_ptr[plan.row_tiles];
    plan.key_start = Keys(r[4], tiles, "key_start");
    plan.kind = Array(r[5], tiles, "kind");
    plan.col_ptr = Pointers(r[6], plan.row_tiles, "col_ptr");
    plan.columns = Keys(r[7], plan.col_ptr[plan.row_tiles], "columns");
    plan.masks = Array(r[8], MaskWords(plan, tiles), "masks");
    return plan;
  }

 private:
  // Offsets that start at 0 and do not fall.
  const int32_t* Pointers(int64_t offset, int64_t length, const char* name) const {
    const int32_t* const pointers = Array(offset, length + 1, name);
    Require(pointers[0] == 0, kAction, "row_ptr and col_ptr must start at 0", pointers[0]);
    for (int64_t i = 0; i < length; ++i) {
      Require(pointers[i] <= pointers[i + 1], kAction, "row_ptr and col_ptr must not fall",
              pointers[i + 1]);
    }
    return pointers;
  }

  const int32_t* Keys(int64_t offset, int64_t length, const char* name) const {
    const int32_t* const keys = Array(offset, length, name);
    for (int64_t i = 0; i < length; ++i) {
      if (keys[i] < 0 || keys[i] >= kv_len_) {
        throw Error(LL_INVALID_ARGUMENT,
                    "Cannot attend tiles as %s[%lld] must be in 0..%d: current value is %d", name,
                    static_cast<long long>(i), kv_len_ - 1, keys[i]);
      }
    }
    return keys;
  }

  int64_t MaskWords(const TilePlan& plan, int32_t tiles) const {
    int64_t masks = 0;
    for (int32_t x = 0; x < tiles; ++x) {
      Require(plan.kind[x] >= 0, kAction, "kind must be >= 0", plan.kind[x]);
      if (plan.kind[x] - kTileMasked >= masks) masks = int64_t{plan.kind[x]} - kTileMasked + 1;
    }
    return masks * plan.tile_q * plan.MaskWords();
  }

  const int32_t* words_;
  int64_t count_;
  int32_t tokens_, kv_len_;
};

}  // namespace

TilePlans ReadTilePlans(const int32_t* words, int64_t count, int32_t heads, int32_t tokens,
                        int32_t kv_len) {
  RequirePointer(words, kAction, "plans");
  Require(count >= 1 + int64_t{heads}, kAction, "plan_words must hold a plan number for each head",
          count);
  const int32_t distinct = words[0];
  Require(distinct >= 1 && distinct <= heads, kAction, "the number of plans must be in 1..heads",
          distinct);
  const Reader reader(words, count, tokens, kv_len);
  TilePlans result{{}, words + 1};
  for (int32_t h = 0; h < heads; ++h) {
    Require(words[1 + h] >= 0 && words[1 + h] < distinct, kAction,
            "the plan number of a head must be < the number of plans", words[1 + h]);
  }
  for (int64_t p = 0; p < distinct; ++p) {
    result.plans.push_back(reader.Record(1 + heads + p * kRecordWords));
  }
  return result;
}

}  // namespace longlens
