// Writing LL_INT8 pages: element = integer of -127 .. 127 times a scale that is a power of two.
//
//   scale(x) = the smallest power of two with |x| <= 127 scale, from 2^-126 to 2^121
// A value's scale is that of its largest element. A key's channel has the scale of the largest
// element it has had in its page so far: where a token needs a larger one, the channel's earlier
// keys are rounded again. Tokens are taken one after the other, so that it does not matter how they
// were cut into calls. With a final scale s a value is off by at most s / 2. A key is off by at
// most s: s / 2 of the last rounding and half of what it was off before, in units of s.
// (Numbers above 127 * 2^121, which is 0.992 of the largest f32, become that; they are off by s.)
#ifndef LONGLENS_CPU_QUANTISE_H_
#define LONGLENS_CPU_QUANTISE_H_

#include <cstdint>

#include "kv.h"

namespace longlens {

// Whether all elements are finite.
bool AllFinite(const float* x, int64_t count);

// Tokens of one KV head that lie in one page.
struct PageTokens {
  int64_t head, start, count;
  const float *k, *v;  // token t at k + t * step
  int64_t step;
  const float* positions;
};

void AppendInt8(const KvView& kv, const PageTokens& tokens);

}  // namespace longlens

#endif  // LONGLENS_CPU_QUANTISE_H_
