// How often the process has asked for memory.
#ifndef LONGLENS_TEST_ALLOCATIONS_H_
#define LONGLENS_TEST_ALLOCATIONS_H_

#include <cstdint>

namespace longlens_test {

// Calls of malloc and its kin so far, by any thread and library; -1 where they cannot be counted.
int64_t Allocations();

}  // namespace longlens_test

#endif  // LONGLENS_TEST_ALLOCATIONS_H_
