// Arguments of the calls of the ABI that write and search keys in 4 bits, and what is checked of
// them. Each check throws LL_INVALID_ARGUMENT, or tells whether the call has anything to do.
#ifndef LONGLENS_COMMON_FLAT4_CALLS_H_
#define LONGLENS_COMMON_FLAT4_CALLS_H_

#include <cstdint>

#include "asking_rows.h"
#include "flat4_layout.h"
#include "page_table.h"

namespace longlens {

struct Flat4EncodeCall {
  PageTable table;  // of kv_head + 1 heads
  int32_t kv_head, start, first, nodes;
  const uint8_t* records;
};
// Requires every page that is read, too.
bool CheckFlat4Encode(const Flat4EncodeCall& call);

struct Flat4SearchCall {
  AskingRows asking;
  PageTable table;  // of the KV heads that are asked for
  int32_t start, nodes;
  const uint8_t* records;
  int64_t record_bytes;
  int32_t candidates, k;
  float scale;
  int32_t* keys;
  float* scores;
  int32_t* scanned;
  float* lse;  // may be null

  const uint8_t* Record(int64_t head, int64_t number) const {
    return records + head * record_bytes + number * Flat4RecordBytes(table.dim);
  }
};
bool CheckFlat4Search(const Flat4SearchCall& call);

}  // namespace longlens

#endif  // LONGLENS_COMMON_FLAT4_CALLS_H_
