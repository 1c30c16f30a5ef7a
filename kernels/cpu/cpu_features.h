// What this machine and its system let a program use.
#ifndef LONGLENS_CPU_CPU_FEATURES_H_
#define LONGLENS_CPU_CPU_FEATURES_H_

namespace longlens {

bool HasAvx2();
bool HasAvx512();
bool HasAvx512Bf16();
// Asks the system for the tile registers first, once for the process.
bool HasAmx();

}  // namespace longlens

#endif  // LONGLENS_CPU_CPU_FEATURES_H_
