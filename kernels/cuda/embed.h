// Rows of a table of weights.
#ifndef LONGLENS_CUDA_EMBED_H_
#define LONGLENS_CUDA_EMBED_H_

#include "../common/model_arguments.h"
#include "runtime.h"

namespace longlens {

// ll_embed
void Embed(const Call& call, const EmbedArguments& a);

}  // namespace longlens

#endif  // LONGLENS_CUDA_EMBED_H_
