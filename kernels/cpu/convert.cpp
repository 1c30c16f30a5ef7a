// Conversion of elements, single or in blocks.
#include <cstring>

#include "../common/element_types.h"
#include "../common/memory_calls.h"
#include "dispatch.h"
#include "encode_blocks.h"

namespace longlens {
namespace {

// Elements of a work item, and those that are f32 at a time; whole blocks of every type.
constexpr int64_t kItem = 1 << 16;
constexpr int64_t kPiece = 512;

// Elements of any alignment become f32.
void ToFloats(const Kernels& kernels, const char* source, int32_t dtype, float* target,
              int64_t count) {
  uint16_t halves[kPiece];
  if (dtype == LL_F32) {
    memcpy(target, source, count * 4);
  } else if (dtype == LL_BF16 || dtype == LL_F16) {
    memcpy(halves, source, count * 2);
    (dtype == LL_BF16 ? kernels.widen_bf16 : kernels.widen_f16)(halves, target, count);
  } else {
    kernels.widen_blocks(source, dtype, count, target);
  }
}

void FromFloats(const Kernels& kernels, const float* source, int32_t dtype, char* target,
                int64_t count) {
  uint16_t halves[kPiece];
  if (dtype == LL_F32) {
    memcpy(target, source, count * 4);
  } else if (dtype == LL_BF16) {
    kernels.narrow_bf16(source, halves, count);
    memcpy(target, halves, count * 2);
  } else if (!EncodeBlocks(source, dtype, count, reinterpret_cast<uint8_t*>(target))) {
    throw Error(LL_INVALID_ARGUMENT,
                "Cannot convert elements as what is quantised must be finite: a number is not");
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_convert(ll_run* run, const void* source, int32_t source_dtype, void* target,
                              int32_t target_dtype, int64_t count) {
  return Guard(run, [&] {
    if (!CheckConvert(source, source_dtype, target, target_dtype, count)) return;
    const Call call(run);
    const ElementType from = ElementTypeOf(source_dtype), to = ElementTypeOf(target_dtype);
    call.For((count + kItem - 1) / kItem, [&](int64_t item) {
      const int64_t start = item * kItem, end = count - start < kItem ? count : start + kItem;
      float floats[kPiece];
      for (int64_t i = start; i < end; i += kPiece) {
        const int64_t now = end - i < kPiece ? end - i : kPiece;
        ToFloats(call.kernels(), static_cast<const char*>(source) + from.Bytes(i), source_dtype,
                 floats, now);
        FromFloats(call.kernels(), floats, target_dtype, static_cast<char*>(target) + to.Bytes(i),
                   now);
      }
      call.Progress(end - start);
    });
  });
}
