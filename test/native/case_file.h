// Recorded cases: blocks of memory, calls of the C ABI over them, and what the blocks must hold
// then.
//
// File, little-endian: the text "LLCASES1", i64 number of cases, then each case. A text and an
// array of bytes are an i64 length and the bytes.
//   case:        text name;  i64 blocks, each a block;  i64 steps, each a step
//   block:       i64 kind (BlockKind);  i64 bytes;
//                bytes content: empty where the block begins as rubbish
//   step:        i64 0, then a call; or i64 1, then an expectation
//   call:        text function;  i64 status;  i64 cancel: 1 where it is cancelled while it runs;
//                i64 compute: that of its ll_run;
//                i64 arguments, each: i64 kind (ArgumentKind), f64 number, i64 integer
//   expectation: text name;  i64 address;  i64 kind (ElementKind);  i64 width;  f64 floor;
//                f64 tolerance;  bytes values
// An address is (block + 1) * 2^32 + byte in the block, and 0 is null.
#ifndef LONGLENS_TEST_CASE_FILE_H_
#define LONGLENS_TEST_CASE_FILE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace longlens_test {

using Bytes = std::vector<char>;

// kAddresses is host memory that holds addresses, which become pointers before the first call.
enum class BlockKind : int64_t { kDevice, kHost, kAddresses };
enum class ArgumentKind : int64_t { kRun, kInteger, kNumber, kAddress };
enum class ElementKind : int64_t { kFloat, kInteger };

struct Block {
  BlockKind kind;
  int64_t bytes;
  Bytes content;
};

struct Argument {
  ArgumentKind kind;
  double number;
  int64_t integer;
};

struct FunctionCall {
  std::string function;
  int64_t status;
  bool cancel;
  int32_t compute;
  std::vector<Argument> arguments;
};

// Rows of `width` elements: max|actual - wanted| <= tolerance * max(floor, max|wanted|).
struct Expectation {
  std::string name;
  int64_t address;
  ElementKind kind;
  int64_t width;
  double floor, tolerance;
  Bytes values;
};

using Step = std::variant<FunctionCall, Expectation>;

struct Case {
  std::string name;
  std::vector<Block> blocks;
  std::vector<Step> steps;
};

// Throws std::runtime_error where the file cannot be read or is cut short.
std::vector<Case> ReadCases(const std::string& path);

}  // namespace longlens_test

#endif  // LONGLENS_TEST_CASE_FILE_H_
