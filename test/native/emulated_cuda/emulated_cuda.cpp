// Threads of emulated CUDA: fibers, barriers and exchanges.
#include "emulated_cuda.h"

#include "emulated_ptx.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <deque>
#include <map>
#include <mutex>
#include <vector>

#if !defined(__x86_64__)
#error "CUDA is emulated on x86-64 only"
#endif

// Saves the callee's registers and stack in *save and goes on at `load`.
extern "C" void emulated_switch(void** save, void* load);
__asm__(
    ".text\n"
    ".type emulated_switch,@function\n"
    "emulated_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size emulated_switch,.-emulated_switch\n");

namespace emulated {
namespace {

constexpr size_t kStackBytes = 256 << 10;
constexpr size_t kSlotBytes = 64;
constexpr int kWarpGroup = 128;

// Values that `width` threads give each other; two turns of them, so that a thread may give the
// next value while others still read the last.
struct Meeting {
  int arrived = 0;
  uint64_t turn = 0;
  std::vector<char> slots[2];
};

struct BarrierState {
  int arrived = 0, expected = 0;
  uint64_t turn = 0;
};

struct Copy {
  uint32_t shared;
  const void* global;
  uint32_t bytes;
  bool valid;
};

struct BulkOrder {
  Copy copy;
  uint32_t barrier;
};

struct Fiber {
  Thread thread;
  std::vector<Copy> open_copies;
  std::deque<std::vector<Copy>> copy_groups;
  void* stack = nullptr;  // where it goes on
  char* memory = nullptr;
  bool ended = false;
};

struct Block {
  std::vector<Fiber> fibers;
  int running = 0, alive = 0;
  void* scheduler = nullptr;
  std::vector<char> shared;
  char* shared_start = nullptr;
  size_t shared_bytes = 0;
  std::vector<BulkOrder> bulk;
  std::map<int, BarrierState> barriers;
  std::map<std::pair<int, uint32_t>, Meeting> meetings;  // by warp and mask
  std::map<int, Meeting> groups;                         // by warpgroup
  uint64_t happened = 0;
  const std::function<void()>* body = nullptr;
};

std::mutex one_grid;
Block* block = nullptr;

Fiber& Running() { return block->fibers[block->running]; }

void WaitFor(const std::function<bool()>& over) {
  while (!over()) Yield();
}

// A barrier of all threads ends, too, when the last that had not arrived ends.
void CheckBarrier(BarrierState& barrier) {
  const int needed = barrier.expected > 0 ? barrier.expected : block->alive;
  if (barrier.arrived == 0 || barrier.arrived < needed) return;
  barrier.arrived = 0;
  ++barrier.turn;
  Happened();
}

[[noreturn]] void Begin() {
  (*block->body)();
  Running().ended = true;
  --block->alive;
  Happened();
  if (block->alive > 0) CheckBarrier(block->barriers[0]);
  emulated_switch(&Running().stack, block->scheduler);
  abort();
}

// A stack whose first switch enters Begin.
void Prepare(Fiber& fiber) {
  char* const top = fiber.memory + kStackBytes - 64;
  void** const frame = reinterpret_cast<void**>(top) - 8;
  for (int i = 0; i < 6; ++i) frame[i] = nullptr;
  frame[6] = reinterpret_cast<void*>(&Begin);
  frame[7] = nullptr;
  fiber.stack = frame;
}

// Stacks are kept: a grid has many blocks.
char* Stack(size_t number) {
  static std::vector<char*> stacks;
  while (stacks.size() <= number) {
    void* const memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) Fail("no memory for the stacks of a block");
    stacks.push_back(static_cast<char*>(memory));
  }
  return stacks[number];
}

// As it lies in shared memory.
struct Mbarrier {
  uint16_t count, pending;
  uint32_t phase : 1;
  int32_t bytes : 31;
};
static_assert(sizeof(Mbarrier) == 8);

Mbarrier* MbarrierAt(uint32_t address) {
  if (address % 8 != 0) Fail("an mbarrier that is not aligned");
  return reinterpret_cast<Mbarrier*>(SharedAt(address, 8));
}

void CheckMbarrier(Mbarrier* barrier) {
  if (barrier->pending > 0 || barrier->bytes != 0) return;
  barrier->pending = barrier->count;
  barrier->phase ^= 1;
  Happened();
}

void DoCopy(const Copy& copy) {
  char* const target = SharedAt(copy.shared, copy.bytes);
  if (copy.valid) {
    memcpy(target, copy.global, copy.bytes);
  } else {
    memset(target, 0, copy.bytes);
  }
}

void DoBulkCopies() {
  std::vector<BulkOrder> orders;
  orders.swap(block->bulk);
  for (const BulkOrder& order : orders) {
    DoCopy(order.copy);
    Mbarrier* const barrier = MbarrierAt(order.barrier);
    barrier->bytes -= int32_t(order.copy.bytes);
    Happened();
    CheckMbarrier(barrier);
  }
}

void PoisonShared(size_t bytes) {
  block->shared_bytes = bytes;
  block->bulk.clear();
  block->shared.assign(bytes + 1024, char(0xFF));  // NaN as f32 and as bf16
  const uintptr_t start = reinterpret_cast<uintptr_t>(block->shared.data());
  block->shared_start = block->shared.data() + (1024 - start % 1024) % 1024;
}

void RunBlock(dim3 number, dim3 grid, dim3 size, size_t shared_bytes) {
  const unsigned threads = size.x * size.y * size.z;
  block->fibers.assign(threads, Fiber{});
  block->barriers.clear();
  block->meetings.clear();
  block->groups.clear();
  block->alive = int(threads);
  PoisonShared(shared_bytes);
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = block->fibers[i];
    const dim3 thread(i % size.x, i / size.x % size.y, i / size.x / size.y);
    fiber.thread = {thread, number, size, grid};
    fiber.memory = Stack(i);
    Prepare(fiber);
  }
  while (block->alive > 0) {
    const uint64_t before = block->happened;
    DoBulkCopies();
    for (unsigned i = 0; i < threads; ++i) {
      if (block->fibers[i].ended) continue;
      block->running = int(i);
      emulated_switch(&block->scheduler, block->fibers[i].stack);
    }
    if (block->alive > 0 && block->happened == before) Fail("all threads of a block wait");
  }
}

const char* Meet(Meeting& meeting, int place, int width, int needed, const void* mine,
                 size_t bytes) {
  if (bytes > kSlotBytes) Fail("an exchange of more than 64 bytes");
  const uint64_t turn = meeting.turn;
  std::vector<char>& slots = meeting.slots[turn % 2];
  slots.resize(width * kSlotBytes);
  memcpy(slots.data() + place * kSlotBytes, mine, bytes);
  if (++meeting.arrived == needed) {
    meeting.arrived = 0;
    ++meeting.turn;
    Happened();
  } else {
    WaitFor([&] { return meeting.turn != turn; });
  }
  return slots.data();
}

// Lanes of `mask` that the block has: its last warp may be short.
uint32_t LanesThere(int warp, uint32_t mask) {
  const int threads = int(block->fibers.size()) - warp * kWarp;
  return threads >= kWarp ? mask : mask & ((1u << threads) - 1);
}

}  // namespace

const Thread& Current() { return Running().thread; }

char* SharedMemory() { return block->shared_start; }

void RunGrid(dim3 grid, dim3 size, size_t shared_bytes, const std::function<void()>& body) {
  const std::lock_guard<std::mutex> lock(one_grid);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535) {
    Fail("a grid with no blocks or too many");
  }
  if (size.x * size.y * size.z == 0 || size.x * size.y * size.z > 1024) {
    Fail("a block with no threads or more than 1024");
  }
  if (shared_bytes > 227 * 1024) Fail("a block with more than 227 KB of shared memory");
  Block state;
  state.body = &body;
  block = &state;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) RunBlock(dim3(x, y, z), grid, size, shared_bytes);
    }
  }
  block = nullptr;
}

void Yield() { emulated_switch(&Running().stack, block->scheduler); }

void Happened() { ++block->happened; }

void ArriveBarrier(int id, int count) {
  BarrierState& barrier = block->barriers[id];
  barrier.expected = count;
  ++barrier.arrived;
  CheckBarrier(barrier);
}

void Barrier(int id, int count) {
  BarrierState& barrier = block->barriers[id];
  const uint64_t turn = barrier.turn;
  ArriveBarrier(id, count);
  WaitFor([&] { return barrier.turn != turn; });
}

const char* Exchange(uint32_t mask, const void* mine, size_t bytes) {
  const int warp = Current().warp(), lane = Current().lane();
  if ((mask >> lane & 1) == 0) Fail("a lane exchanges under a mask that leaves it out");
  const uint32_t there = LanesThere(warp, mask);
  return Meet(block->meetings[{warp, mask}], lane, kWarp, __builtin_popcount(there), mine, bytes);
}

const char* ExchangeGroup(const void* mine, size_t bytes) {
  const int number = Current().number();
  return Meet(block->groups[number / kWarpGroup], number % kWarpGroup, kWarpGroup, kWarpGroup, mine,
              bytes);
}

char* SharedAt(uint32_t address, size_t bytes) {
  if (address + bytes > block->shared_bytes) Fail("an address beyond the shared memory");
  if (address % (bytes < 16 ? bytes : 16) != 0) Fail("an address that is not aligned");
  return block->shared_start + address;
}

void AddCopy(uint32_t shared, const void* global, bool valid) {
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0) Fail("a copy from an address not aligned to 16");
  SharedAt(shared, 16);
  Running().open_copies.push_back({shared, global, 16, valid});
}

void CommitCopies() {
  Running().copy_groups.push_back({});
  Running().copy_groups.back().swap(Running().open_copies);
}

void WaitCopies(int left) {
  std::deque<std::vector<Copy>>& groups = Running().copy_groups;
  while (int(groups.size()) > left) {
    for (const Copy& copy : groups.front()) DoCopy(copy);
    groups.pop_front();
  }
}

void InitMbarrier(uint32_t address, uint32_t count) {
  *MbarrierAt(address) = {uint16_t(count), uint16_t(count), 0, 0};
}

void ArriveMbarrier(uint32_t address, uint32_t bytes) {
  Mbarrier* const barrier = MbarrierAt(address);
  if (barrier->pending == 0) Fail("an mbarrier with more arrivals than its count");
  barrier->bytes += int32_t(bytes);
  --barrier->pending;
  CheckMbarrier(barrier);
}

void WaitMbarrier(uint32_t address, uint32_t parity) {
  WaitFor([&] { return MbarrierAt(address)->phase != (parity & 1); });
}

void AddBulkCopy(uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier) {
  if (bytes % 16 != 0 || reinterpret_cast<uintptr_t>(global) % 16 != 0) {
    Fail("a bulk copy that is not aligned to 16");
  }
  SharedAt(shared, bytes);
  block->bulk.push_back({{shared, global, bytes, true}, barrier});
}

void Fail(const char* text) {
  fprintf(stderr, "Emulated CUDA: %s", text);
  if (block != nullptr && !block->fibers.empty()) {
    const Thread& t = Current();
    fprintf(stderr, " (block %u %u %u, thread %d)", t.block.x, t.block.y, t.block.z, t.number());
  }
  fprintf(stderr, "\n");
  abort();
}

}  // namespace emulated
