// Sums that were taken so far, on a local disk: a run that was killed while it took statistics need not read all again.
//
// They lie in a folder of this user alone (kept_folder.h), a file for each part, named by the fingerprint of what it
// is a sum of. They are a convenience: where they cannot be written or are damaged, the part is taken (again). A run
// removes its own when its statistics lie in the output, and whatever else in the folder is older than a week.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace seamount::prepare {

// Thread-safe.
class KeptSums {
 public:
  static constexpr size_t kVectors = 5;
  using Vectors = std::array<std::vector<double>*, kVectors>;

  // Nothing is kept, and nothing is there.
  KeptSums() = default;
  // `directory` empty: as for spill files. `name`: a fingerprint.
  KeptSums(const std::string& directory, std::string name);

  // `layout` names the way in which the work is cut into parts; parts of another are not there.
  bool Read(uint64_t part, uint64_t layout, const Vectors& into) const;
  void Write(uint64_t part, uint64_t layout, const Vectors& from) const;
  // All parts of this name.
  void Remove() const;

 private:
  std::string PathOf(uint64_t part) const;
  std::string folder_;  // empty: nothing is kept
  std::string name_;
};

}  // namespace seamount::prepare
