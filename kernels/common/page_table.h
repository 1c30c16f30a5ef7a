// A page table as the ABI takes it, and what every call checks of it.
#ifndef LONGLENS_COMMON_PAGE_TABLE_H_
#define LONGLENS_COMMON_PAGE_TABLE_H_

#include <cstdint>

namespace longlens {

// Addresses of pages, host memory: token t of KV head g lies in pages[g * stride + t / 256].
struct PageTable {
  void* const* pages;
  int64_t stride;
  int64_t kv_heads;
  int64_t dim;
  int32_t dtype;

  // Throws LL_INVALID_ARGUMENT where no page is entered.
  char* Page(int64_t head, int64_t page) const {
    void* const address = pages[head * stride + page];
    if (address == nullptr) ThrowNotEntered(head, page);
    return static_cast<char*>(address);
  }

 private:
  [[noreturn, gnu::cold]] static void ThrowNotEntered(int64_t head, int64_t page);
};

// Checks a page table that must hold `tokens` tokens of each head.
void CheckPageTable(const char* action, const PageTable& table, int64_t tokens);
// Requires every page of the tokens start .. end - 1 of a head.
void RequirePagesOf(const PageTable& table, int64_t head, int64_t start, int64_t end);
// Likewise, of each head.
void RequirePages(const PageTable& table, int64_t start, int64_t end);

}  // namespace longlens

#endif  // LONGLENS_COMMON_PAGE_TABLE_H_
