// What a recording cannot hold: memory and files of the library, errors, and restarts under load.
#ifndef LONGLENS_TEST_CHECKS_H_
#define LONGLENS_TEST_CHECKS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace longlens_test {

// Says what was wrong. file: any readable file; threads, isa: what the library runs on, and does
// again at the end.
std::vector<std::string> RunChecks(const std::string& file, int32_t threads,
                                   const std::string& isa);

}  // namespace longlens_test

#endif  // LONGLENS_TEST_CHECKS_H_
