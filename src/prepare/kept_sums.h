// Sums that were taken so far, on a local disk: a run that was killed while it took statistics need not read all again.
//
// They lie in a folder of this user alone (kept_folder.h), in files named by the fingerprint of what they are sums of,
// each with some parts that followed one another. They are a convenience: where they cannot be written or are damaged,
// the part is taken (again). A run removes its own when its statistics lie in the output, and whatever else in the
// folder is older than a week.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace seamount::prepare {

// Read may be called from many threads; not while one of the others is.
class KeptSums {
 public:
  static constexpr size_t kVectors = 5;
  using Vectors = std::array<std::vector<double>*, kVectors>;
  // Parts of less than this are gathered in memory and written together.
  static constexpr size_t kGatheredBytes = 4 << 20;

  // Nothing is kept, and nothing is there.
  KeptSums() = default;
  // `directory` empty: as for spill files. `name`: a fingerprint. `layout` names the way in which the work is cut into
  // parts; parts of another are not there.
  KeptSums(const std::string& directory, std::string name, uint64_t layout);

  bool Read(uint64_t part, const Vectors& into) const;
  // Keeps a part: at once where it has more than kGatheredBytes, else when Write is called next.
  void Add(uint64_t part, const Vectors& from);
  void Write();
  static uint64_t BytesOf(const Vectors& vectors);
  size_t gathered_bytes() const { return gathered_.size(); }
  // All parts of this name.
  void Remove() const;

 private:
  struct Place {
    std::string path;
    uint64_t offset = 0;
  };
  void FindParts(const std::string& file);
  template <class Body>
  void WriteFile(uint64_t first, uint64_t bytes, const Body& body);

  std::string folder_;  // empty: nothing is kept
  std::string name_;
  uint64_t layout_ = 0;
  std::map<uint64_t, Place> parts_;  // on disk
  std::vector<std::byte> gathered_;
  uint64_t first_gathered_ = 0;
};

}  // namespace seamount::prepare
