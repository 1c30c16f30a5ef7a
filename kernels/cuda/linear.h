// y = x W^T, the product under every projection, and which kernel computes it.
#ifndef LONGLENS_CUDA_LINEAR_H_
#define LONGLENS_CUDA_LINEAR_H_

#include <initializer_list>

#include "activations.h"
#include "products.h"

namespace longlens {

// How the products of one call of the ABI are computed.
class Linear {
 public:
  // For calls over `rows` rows with weights of these types.
  Linear(const Call& call, int64_t rows, std::initializer_list<int32_t> dtypes);

  // Whether activations are to be rounded to bf16.
  bool rounds() const { return rounds_; }
  // Rows that are worked on at once, where each needs `width` numbers of scratch memory.
  int64_t ChunkRows(int64_t width) const;

  // y (+)= x W^T for each product, rows of x alike.
  void Multiply(const Activations& x, int64_t rows, std::initializer_list<Product> products,
                bool add) const;
  // out = act(x gate^T) * (x up^T).  room [2][rows][ffn], where NeedsRoom(gate, up).
  void MultiplyGated(const Activations& x, int64_t rows, const Weights& gate, const Weights& up,
                     int32_t activation, float* room, const Activations& out) const;
  bool NeedsRoom(const Weights& gate, const Weights& up) const {
    return rows_ > kFewRows || gate.dtype != up.dtype;
  }

 private:
  // Whether products take W as it is.
  bool IsReady(const Weights& w) const;
  void MultiplyOne(const Activations& x, int64_t rows, const Product& product, bool add) const;
  void MultiplyReady(const Activations& x, int64_t rows, const Product& product, int64_t y_stride,
                     bool add) const;
  void MultiplyPiece(const Activations& x, int64_t first, int64_t rows, const Product& product,
                     int64_t y_stride, bool add) const;

  const Call& call_;
  int64_t rows_;
  bool rounds_;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_LINEAR_H_
