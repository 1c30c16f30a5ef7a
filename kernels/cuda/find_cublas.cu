#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#include <sstream>

#include "find_cublas.h"

namespace longlens {
namespace {

using Names = std::vector<std::string>;

// Versions whose interface this library knows.
constexpr const char* kFiles[] = {"libcublasLt.so.13", "libcublasLt.so.12"};

void AddMatches(const std::string& pattern, Names& to) {
  glob_t found{};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    to.insert(to.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
}

void AddFolder(const std::string& folder, Names& to) {
  for (const char* const file : kFiles) AddMatches(folder + "/" + file, to);
}

// `prefix` is a folder that has bin/python3 or is likewise laid out.
void AddPackages(const std::string& prefix, Names& to) {
  for (const char* const packages : {"site-packages", "dist-packages"}) {
    const std::string nvidia = prefix + "/lib/python3*/" + packages + "/nvidia/";
    AddFolder(nvidia + "cu13/lib", to);
    AddFolder(nvidia + "cublas/lib", to);
  }
}

// Folders above the folders of PATH that hold a python3.
Names PythonPrefixes() {
  Names prefixes;
  const char* const path = getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((folder + "/python3").c_str(), X_OK) == 0) prefixes.push_back(folder + "/..");
  }
  return prefixes;
}

Names Search() {
  Names names(std::begin(kFiles), std::end(kFiles));
  for (const char* const name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* const folder = getenv(name)) AddFolder(folder + std::string("/lib64"), names);
  }
  AddFolder("/usr/local/cuda/lib64", names);
  for (const char* const name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const char* const prefix = getenv(name)) AddPackages(prefix, names);
  }
  for (const std::string& prefix : PythonPrefixes()) AddPackages(prefix, names);
  return names;
}

}  // namespace

std::vector<std::string> CublasFiles() {
  if (const char* const chosen = getenv("LONGLENS_CUBLAS")) {
    return std::string(chosen) == "off" ? Names() : Names{chosen};
  }
#ifdef LONGLENS_EMULATED
  constexpr bool kReadsMemory = false;  // a library of the machine cannot read emulated memory
#else
  constexpr bool kReadsMemory = true;
#endif
  return kReadsMemory ? Search() : Names();
}

}  // namespace longlens
