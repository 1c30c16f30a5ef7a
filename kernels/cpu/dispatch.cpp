// Chooses the instruction-set unit and owns the pool: the only global state of the library.
#include "dispatch.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cpu_features.h"

#if defined(__linux__)
#include <dlfcn.h>
#endif

namespace longlens {
namespace {

struct Library {
  std::shared_mutex mutex;  // shared by running calls, exclusive to change what follows
  const InstructionSet* unit = nullptr;
  Pool* pool = nullptr;
  int32_t asked_threads = 0;
  std::string asked_isa;
};

// Never destroyed: at exit another thread may still be inside a call.
Library& TheLibrary() {
  static Library* const library = new Library;
  return *library;
}

// Emulated units (see bf16_vectors.inl) need what they are emulated with.
#if defined(LONGLENS_EMULATED)
#define LL_EMULATED "-emulated"
#define LL_HAS(feature) HasAvx2()
#else
#define LL_EMULATED ""
#define LL_HAS(feature) feature()
#endif

std::vector<InstructionSet> FindUnits() {
  std::vector<InstructionSet> units;
  const Kernels *const wide = Avx512Kernels(), *const vnni = Avx512VnniKernels();
  const auto add = [&](const InstructionSet& unit, bool runs_here) {
    if (runs_here) units.push_back(unit);
  };
  const Bf16Kernels *const amx = AmxKernels(), *const dots = Avx512Bf16Kernels();
  add({"amx" LL_EMULATED, vnni, amx}, vnni != nullptr && amx != nullptr && LL_HAS(HasAmx));
  add({"avx512bf16" LL_EMULATED, vnni, dots},
      vnni != nullptr && dots != nullptr && LL_HAS(HasAvx512Bf16));
  add({"avx512" LL_EMULATED, wide, nullptr}, wide != nullptr && LL_HAS(HasAvx512));
  add({"avx2", Avx2Kernels(), nullptr}, Avx2Kernels() != nullptr && HasAvx2());
  add({"portable", PortableKernels(), nullptr}, true);
  return units;
}

// What this machine and build have, from the best unit to the one that always runs.
const std::vector<InstructionSet>& Units() {
  static const std::vector<InstructionSet>* const units = new std::vector<InstructionSet>(FindUnits());
  return *units;
}

const InstructionSet* FindUnit(const char* isa) {
  for (const InstructionSet& unit : Units()) {
    if (isa[0] == 0 || strcmp(isa, unit.isa) == 0) return &unit;
  }
  throw Error(LL_INVALID_ARGUMENT,
              "Cannot start the library as this machine or build lacks isa \"%.32s\"", isa);
}

// The pool's threads sleep in this library's code, so it must stay when its last user closes it.
void StayLoaded() {
#if defined(__linux__)
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&ll_init), &info) != 0 && info.dli_fname != nullptr) {
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
#endif
}

void Start(Library& library, int32_t threads, const char* isa) {
  Require(threads >= 0 && threads <= 1024, "start the library", "threads must be in 0..1024",
          threads);
  const InstructionSet* unit = FindUnit(isa);
  const int wanted = threads == 0 ? UsableCores() : threads;
  if (library.pool == nullptr || library.pool->threads() != wanted) {
    auto pool = std::make_unique<Pool>(wanted);
    delete library.pool;
    library.pool = pool.release();
    StayLoaded();
  }
  library.asked_isa = isa;
  library.asked_threads = threads;
  library.unit = unit;
}

}  // namespace

Call::Call(ll_run* run) : run_(run), lock_(TheLibrary().mutex) {
  if (run != nullptr) {
    Require(run->compute == LL_F32 || run->compute == LL_BF16, "run",
            "compute must be LL_F32 or LL_BF16", run->compute);
    is_bf16_ = run->compute == LL_BF16;
  }
  Library& library = TheLibrary();
  while (library.pool == nullptr) {
    lock_.unlock();
    {
      std::unique_lock<std::shared_mutex> alone(library.mutex);
      if (library.pool == nullptr) Start(library, 0, "");
    }
    lock_.lock();
  }
  unit_ = library.unit;
  pool_ = library.pool;
}

}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_abi_version(void) { return LL_ABI_VERSION; }

extern "C" int32_t ll_init(int32_t threads, const char* isa) {
  return Guard(nullptr, [&] {
    RequirePointer(isa, "start the library", "isa");
    Library& library = TheLibrary();
    {
      std::shared_lock<std::shared_mutex> lock(library.mutex);
      if (library.pool != nullptr && library.asked_threads == threads && library.asked_isa == isa)
        return;
    }
    std::unique_lock<std::shared_mutex> alone(library.mutex);
    Start(library, threads, isa);
  });
}

extern "C" int32_t ll_info(char* json, int32_t capacity) {
  return Guard(nullptr, [&] {
    RequirePointer(json, "describe the library", "json");
    const Call call(nullptr);
    std::string text = "{\"backend\":\"cpu\",\"isa\":\"";
    text += call.unit().isa;
    text += "\",\"available\":[";
    for (const InstructionSet& unit : Units()) {
      text += std::string(&unit == &Units().front() ? "\"" : ",\"") + unit.isa + "\"";
    }
    text += call.unit().bf16 == nullptr ? "],\"compute\":[\"f32\"]"
                                        : "],\"compute\":[\"f32\",\"bf16\"]";
    text += ",\"threads\":" + std::to_string(call.threads()) + ",\"tiers\":[\"fast\"]}";
    Require(capacity > static_cast<int64_t>(text.size()), "describe the library",
            "capacity must hold the text", capacity);
    memcpy(json, text.c_str(), text.size() + 1);
  });
}
