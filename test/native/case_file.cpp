#include "case_file.h"

#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace longlens_test {
namespace {

constexpr char kMagic[] = "LLCASES1";

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(std::move(bytes)) {}

  template <class T>
  T Take() {
    T value;
    memcpy(&value, Next(sizeof(T)), sizeof(T));
    return value;
  }
  int64_t Integer() { return Take<int64_t>(); }
  double Number() { return Take<double>(); }
  Bytes Array() {
    const int64_t length = Integer();
    const char* const first = Next(length);
    return Bytes(first, first + length);
  }
  std::string Text() {
    const Bytes bytes = Array();
    return std::string(bytes.begin(), bytes.end());
  }
  template <class Read>
  auto List(const Read& read) {
    std::vector<decltype(read())> items;
    for (int64_t left = Integer(); left > 0; --left) items.push_back(read());
    return items;
  }

  const char* Next(int64_t length) {
    if (length < 0 || length > static_cast<int64_t>(bytes_.size()) - at_) {
      throw std::runtime_error("Cannot read cases as the file ends in the middle of one");
    }
    at_ += length;
    return bytes_.data() + at_ - length;
  }

 private:
  Bytes bytes_;
  int64_t at_ = 0;
};

Block ReadBlock(Reader& reader) {
  const auto kind = static_cast<BlockKind>(reader.Integer());
  const int64_t bytes = reader.Integer();
  return {kind, bytes, reader.Array()};
}

Argument ReadArgument(Reader& reader) {
  const auto kind = static_cast<ArgumentKind>(reader.Integer());
  const double number = reader.Number();
  return {kind, number, reader.Integer()};
}

FunctionCall ReadCall(Reader& reader) {
  FunctionCall call;
  call.function = reader.Text();
  call.status = reader.Integer();
  call.cancel = reader.Integer() != 0;
  call.compute = static_cast<int32_t>(reader.Integer());
  call.arguments = reader.List([&] { return ReadArgument(reader); });
  return call;
}

Expectation ReadExpectation(Reader& reader) {
  Expectation expectation;
  expectation.name = reader.Text();
  expectation.address = reader.Integer();
  expectation.kind = static_cast<ElementKind>(reader.Integer());
  expectation.width = reader.Integer();
  expectation.floor = reader.Number();
  expectation.tolerance = reader.Number();
  expectation.values = reader.Array();
  return expectation;
}

Step ReadStep(Reader& reader) {
  if (reader.Integer() == 0) return ReadCall(reader);
  return ReadExpectation(reader);
}

Case ReadCase(Reader& reader) {
  Case recorded;
  recorded.name = reader.Text();
  recorded.blocks = reader.List([&] { return ReadBlock(reader); });
  recorded.steps = reader.List([&] { return ReadStep(reader); });
  return recorded;
}

}  // namespace

std::vector<Case> ReadCases(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("Cannot open " + path);
  Bytes bytes(file.tellg());
  file.seekg(0);
  file.read(bytes.data(), bytes.size());
  Reader reader(std::move(bytes));
  if (memcmp(reader.Next(sizeof(kMagic) - 1), kMagic, sizeof(kMagic) - 1) != 0) {
    throw std::runtime_error("Cannot read " + path + " as it holds no cases");
  }
  return reader.List([&] { return ReadCase(reader); });
}

}  // namespace longlens_test
