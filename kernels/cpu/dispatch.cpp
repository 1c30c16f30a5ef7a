// Chooses the instruction-set unit and owns the pool: the only global state of the library.
#include "dispatch.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#if defined(__linux__)
#include <dlfcn.h>
#endif

namespace longlens {
namespace {

struct Library {
  std::shared_mutex mutex;  // shared by running calls, exclusive to change what follows
  const Kernels* kernels = nullptr;
  Pool* pool = nullptr;
  int32_t asked_threads = 0;
  std::string asked_isa;
};

// Never destroyed: at exit another thread may still be inside a call.
Library& TheLibrary() {
  static Library* const library = new Library;
  return *library;
}

const Kernels* IfRunsHere(const Kernels* kernels) {
#if defined(__x86_64__)
  if (kernels == nullptr) return nullptr;
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (strcmp(kernels->isa, "avx2") == 0) return avx2 ? kernels : nullptr;
#if !defined(LL_TEST_WIDE)
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq");
  if (strcmp(kernels->isa, "avx512") == 0) return avx512 ? kernels : nullptr;
#endif
#endif
  return kernels;
}

// Units from the best to the one that always runs; null where this machine or build lacks one.
constexpr int kUnits = 3;
const Kernels* Unit(int index) {
  if (index == 0) return IfRunsHere(Avx512Kernels());
  if (index == 1) return IfRunsHere(Avx2Kernels());
  return PortableKernels();
}

const Kernels* FindUnit(const char* isa) {
  for (int i = 0; i < kUnits; ++i) {
    const Kernels* unit = Unit(i);
    if (unit != nullptr && (isa[0] == 0 || strcmp(isa, unit->isa) == 0)) return unit;
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
  const Kernels* kernels = FindUnit(isa);
  const int wanted = threads == 0 ? UsableCores() : threads;
  if (library.pool == nullptr || library.pool->threads() != wanted) {
    auto pool = std::make_unique<Pool>(wanted);
    delete library.pool;
    library.pool = pool.release();
    StayLoaded();
  }
  library.asked_isa = isa;
  library.asked_threads = threads;
  library.kernels = kernels;
}

}  // namespace

Call::Call(ll_run* run) : run_(run), lock_(TheLibrary().mutex) {
  Library& library = TheLibrary();
  while (library.pool == nullptr) {
    lock_.unlock();
    {
      std::unique_lock<std::shared_mutex> alone(library.mutex);
      if (library.pool == nullptr) Start(library, 0, "");
    }
    lock_.lock();
  }
  kernels_ = library.kernels;
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
    text += call.kernels().isa;
    text += "\",\"available\":[";
    bool first = true;
    for (int i = 0; i < kUnits; ++i) {
      if (Unit(i) == nullptr) continue;
      text += std::string(first ? "\"" : ",\"") + Unit(i)->isa + "\"";
      first = false;
    }
    text += "],\"threads\":" + std::to_string(call.threads()) + "}";
    Require(capacity > static_cast<int64_t>(text.size()), "describe the library",
            "capacity must hold the text", capacity);
    memcpy(json, text.c_str(), text.size() + 1);
  });
}
