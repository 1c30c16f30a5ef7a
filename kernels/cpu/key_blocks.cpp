#include "key_blocks.h"

namespace longlens {

void CheckKeyBlocks(const char* action, const KeyBlocks& blocks) {
  Require(blocks.start >= 0, action, "start must be >= 0", blocks.start);
  Require(blocks.end >= blocks.start, action, "end must be >= start", blocks.end);
  Require(blocks.block > 0, action, "block must be > 0", blocks.block);
  CheckKv(action, blocks.kv, blocks.end > blocks.start ? blocks.end : 0);
}

}  // namespace longlens
