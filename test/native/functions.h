// The functions of the C ABI by name, called with arguments that are known only at run time.
#ifndef LONGLENS_TEST_FUNCTIONS_H_
#define LONGLENS_TEST_FUNCTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace longlens_test {

// An argument in every form; the parameter's type chooses one.
struct Value {
  int64_t integer;
  double number;
  void* pointer;
};

// Calls `function` and returns its status. Throws std::runtime_error where there is none of that
// name or it takes another number of arguments.
int32_t CallFunction(const std::string& function, const std::vector<Value>& values);

}  // namespace longlens_test

#endif  // LONGLENS_TEST_FUNCTIONS_H_
