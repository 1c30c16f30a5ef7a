#include "key_units.h"

#include <algorithm>
#include <cstring>

namespace longlens {
namespace {

bool Same(const int32_t* a, const int32_t* b, int64_t count) {
  return a == b || count == 0 || memcmp(a, b, count * sizeof(int32_t)) == 0;
}

class Lister {
 public:
  Lister(const AttendKeysCall& call, int32_t most_heads, std::vector<KeyUnit>* units)
      : call_(call), most_heads_(most_heads), units_(units) {}

  // The units of one row and KV head.
  void AddGroup(int32_t row, int32_t kv_head) {
    const int32_t group = call_.Group(), first = kv_head * group;
    const int64_t x = int64_t{row} * call_.heads + first;
    const KeySet lead = call_.Set(x);
    bool same_ranges = true, same_indices = true;
    for (int32_t h = 1; h < group; ++h) {
      const KeySet other = call_.Set(x + h);
      same_ranges = same_ranges && other.range_count == lead.range_count &&
                    Same(other.ranges, lead.ranges, 2 * lead.range_count);
      same_indices = same_indices && other.index_count == lead.index_count &&
                     Same(other.indices, lead.indices, lead.index_count);
    }
    Add({kv_head, row, first, group, Only(lead, same_ranges, same_indices), 0});
    if (same_ranges && same_indices) return;
    for (int32_t h = 0; h < group; ++h) {
      Add({kv_head, row, first + h, 1, Only(call_.Set(x + h), !same_ranges, !same_indices), 0});
    }
  }

 private:
  static KeySet Only(KeySet set, bool ranges, bool indices) {
    if (!ranges) set.range_count = 0;
    if (!indices) set.index_count = 0;
    return set;
  }
  void Add(KeyUnit unit) {
    unit.keys = unit.set.Keys();
    if (unit.keys == 0) return;
    const int32_t end = unit.head + unit.heads;
    for (; unit.head < end; unit.head += unit.heads) {
      unit.heads = std::min(most_heads_, end - unit.head);
      units_->push_back(unit);
    }
  }

  const AttendKeysCall& call_;
  const int32_t most_heads_;
  std::vector<KeyUnit>* const units_;
};

}  // namespace

void ListKeyUnits(const AttendKeysCall& call, int32_t most_heads, std::vector<KeyUnit>* units) {
  units->clear();
  Lister lister(call, most_heads, units);
  for (int32_t r = 0; r < call.rows; ++r) {
    for (int32_t g = 0; g < call.table.kv_heads; ++g) lister.AddGroup(r, g);
  }
}

}  // namespace longlens
