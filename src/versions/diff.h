// What is different between two versions, told from their manifests alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "versions/manifest.h"

namespace seamount::versions {

enum class Change { kAdded, kRemoved, kChanged };

struct Difference {
  Change change;
  std::string path;
  uint64_t size_before = 0, size = 0;
  uint64_t new_bytes = 0;  // in chunks that the version before has nowhere
};

// By path. Files that differ in content or in being executable, links in their target.
std::vector<Difference> Diff(const Manifest& before, const Manifest& after);

}  // namespace seamount::versions
