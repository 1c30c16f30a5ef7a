// What a step of decoding must not do: ask for memory, or keep the processor busy when it is over.
#ifndef LONGLENS_TEST_CHECK_DECODE_H_
#define LONGLENS_TEST_CHECK_DECODE_H_

#include <string>
#include <vector>

namespace longlens_test {

// Says what was wrong.
std::vector<std::string> CheckDecode();

}  // namespace longlens_test

#endif  // LONGLENS_TEST_CHECK_DECODE_H_
