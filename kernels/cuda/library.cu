// The library: what it is, which kernels it uses, what device it runs on.
#include <cstdio>
#include <cstring>
#include <string>

#include "runtime.h"

namespace longlens {
namespace {

// By Unit.
constexpr const char* kIsas[] = {"simt", "sm_80", "sm_90a"};
constexpr int kUnits = 3;

const char* IsaOf(Unit unit) { return kIsas[static_cast<int>(unit)]; }

Unit FindUnit(const Device& device, const char* isa) {
  if (isa[0] == 0) return device.best;
  for (int unit = 0; unit < kUnits && unit <= static_cast<int>(device.best); ++unit) {
    if (strcmp(isa, kIsas[unit]) == 0) return static_cast<Unit>(unit);
  }
  throw Error(LL_INVALID_ARGUMENT,
              "Cannot start the library as this machine or build lacks isa \"%.32s\"", isa);
}

std::string Text(const char* text) {
  std::string quoted = "\"";
  for (; *text != 0; ++text) {
    if (*text == '"' || *text == '\\') quoted += '\\';
    if (static_cast<unsigned char>(*text) >= ' ') quoted += *text;
  }
  return quoted + '"';
}

// As CUDA numbers its versions: 1000 major + 10 minor.
std::string DriverVersion() {
  int version = 0;
  CheckCuda(cudaDriverGetVersion(&version), "ask for the driver's version");
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The isas from the best one down.
std::string Available(const Device& device) {
  std::string list;
  for (int unit = static_cast<int>(device.best); unit >= 0; --unit) {
    list += Text(kIsas[unit]) + (unit == 0 ? "" : ",");
  }
  return list;
}

std::string Describe(const Device& device) {
  const cudaDeviceProp& properties = device.properties;
  const std::string capability =
      std::to_string(properties.major) + "." + std::to_string(properties.minor);
  return "{\"backend\":\"cuda\",\"isa\":" + Text(IsaOf(device.unit)) + ",\"available\":[" +
         Available(device) + "],\"compute\":[\"f32\"" +
         (device.unit >= Unit::kSm80 ? ",\"bf16\"" : "") + "],\"threads\":1,\"tiers\":[\"fast\",\"slow\"],\"device\":" +
         Text(properties.name) + ",\"driver\":" + Text(DriverVersion().c_str()) +
         ",\"capability\":" + Text(capability.c_str()) +
         ",\"memoryBytes\":" + std::to_string(properties.totalGlobalMem) +
         ",\"multiprocessors\":" + std::to_string(properties.multiProcessorCount) + "}";
}

std::string DescribeAbsence(const char* problem) {
  return "{\"backend\":\"cuda\",\"isa\":\"\",\"available\":[],\"compute\":[],\"threads\":1,\"tiers\":[],"
         "\"problem\":" +
         Text(problem) + "}";
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_abi_version(void) { return LL_ABI_VERSION; }

// One host thread queues the work, whatever `threads` is.
extern "C" int32_t ll_init(int32_t threads, const char* isa) {
  return Guard(nullptr, [&] {
    RequirePointer(isa, "start the library", "isa");
    Require(threads >= 0 && threads <= 1024, "start the library", "threads must be in 0..1024",
            threads);
    Device& device = TheDevice();
    const Unit unit = FindUnit(device, isa);
    const Call alone(nullptr);
    device.unit = unit;
  });
}

extern "C" int32_t ll_info(char* json, int32_t capacity) {
  return Guard(nullptr, [&] {
    RequirePointer(json, "describe the library", "json");
    const char* const problem = NoDevice();
    const std::string text = problem == nullptr ? Describe(Call(nullptr).device())
                                                : DescribeAbsence(problem);
    Require(capacity > static_cast<int64_t>(text.size()), "describe the library",
            "capacity must hold the text", capacity);
    memcpy(json, text.c_str(), text.size() + 1);
  });
}
