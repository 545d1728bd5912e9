// Which part of the field a sample is: patches over any dimensions but the samples', on a grid, at given places, or at
// random.
//
// A random place follows from (seed, epoch, number of the sample) alone, so that a run resumes at any sample (never
// change it; patches_test.cc holds golden values): Random(Random(~seed, epoch).Next(), number) gives one number below
// the count of places for each dimension in turn.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace seamount::loader {

struct PatchOptions {
  struct Dim {
    std::string name;
    uint64_t size = 0;    // of a patch, in positions
    uint64_t stride = 0;  // from one patch to the next, on a grid
    bool wrap = false;    // the last position is the first one's neighbour: patches reach over it
  };
  std::vector<Dim> dims = {};                  // empty: a sample is the whole field
  uint64_t random = 0;                         // so many at random places at each position; 0: a grid
  std::vector<std::vector<uint64_t>> at = {};  // instead of both: these places, with a start for each of dims
};

// What the places of an epoch follow from.
struct EpochSeed {
  uint64_t seed = 0;
  uint64_t epoch = 0;
};

// Immutable.
class Patches {
 public:
  Patches() = default;  // none: one sample at each position, the whole field
  // lengths: of each of the options' dimensions. InvalidArgument names the dimension in which no patch fits.
  static Result<Patches> Make(const PatchOptions& options, std::span<const uint64_t> lengths);

  size_t dims() const { return dims_.size(); }
  uint64_t size(size_t dim) const { return dims_[dim].size; }
  uint64_t length(size_t dim) const { return dims_[dim].length; }
  const std::string& name(size_t dim) const { return dims_[dim].name; }
  uint64_t per_position() const { return per_position_; }
  // The first position of a sample's patch in each dimension. number: of the sample, which is one of per_position() at
  // its position.
  void AppendPlace(uint64_t number, const EpochSeed& epoch, std::vector<uint64_t>& place) const;
  // "lat 64 by 32, lon 64 by 64 wrapped"; what the order of samples depends on. Empty: none.
  std::string Text() const;

 private:
  struct Dim {
    std::string name;
    uint64_t length = 0;
    uint64_t size = 0;
    uint64_t stride = 0;
    bool wrap = false;
    uint64_t places = 1;           // where a patch may begin
    std::vector<uint64_t> starts;  // of a grid
  };
  static Result<Dim> MakeDim(const PatchOptions::Dim& options, uint64_t length);
  std::vector<Dim> dims_;
  uint64_t random_ = 0;
  std::vector<std::vector<uint64_t>> at_;
  uint64_t per_position_ = 1;
};

}  // namespace seamount::loader
