// Runs one recorded case.
#ifndef LONGLENS_TEST_REPLAY_H_
#define LONGLENS_TEST_REPLAY_H_

#include <string>

#include "case_file.h"

namespace longlens_test {

// Says what was wrong first, or nothing where the case came out right.
std::string Replay(const Case& recorded);

}  // namespace longlens_test

#endif  // LONGLENS_TEST_REPLAY_H_
