#include "loader/patches.h"

#include "base/checksum.h"
#include "base/text.h"
#include "loader/order.h"
#include "loader/plan.h"

namespace seamount::loader {
namespace {

// A grid's first positions. What no patch would reach at the end is reached by one more that ends there, unless patches
// leave positions out between them anyway.
std::vector<uint64_t> GridStarts(uint64_t length, uint64_t size, uint64_t stride, bool wrap) {
  const uint64_t last = wrap ? length - 1 : length - size;
  std::vector<uint64_t> starts;
  for (uint64_t start = 0; start <= last; start += stride) starts.push_back(start);
  if (!wrap && stride <= size && starts.back() < last) starts.push_back(last);
  return starts;
}

}  // namespace

Result<Patches::Dim> Patches::MakeDim(const PatchOptions::Dim& options, uint64_t length) {
  const std::string who = "patches: '" + options.name + "' ";
  if (options.size == 0 || options.stride == 0) {
    return base::InvalidArgument(who + "has size " + std::to_string(options.size) + " and stride " +
                                 std::to_string(options.stride) + ": expected at least 1 of both");
  }
  if (options.size > length) {
    return base::InvalidArgument(who + "has " + std::to_string(length) + " positions, and a patch " +
                                 std::to_string(options.size) + ": expected a size of at most that");
  }
  Dim dim{options.name, length, options.size, options.stride, options.wrap, 1, {}};
  dim.places = options.wrap ? length : length - options.size + 1;
  return dim;
}

Result<Patches> Patches::Make(const PatchOptions& options, std::span<const uint64_t> lengths) {
  Patches patches;
  patches.random_ = options.random;
  uint64_t count = 1;
  for (size_t d = 0; d < options.dims.size(); ++d) {
    SEAMOUNT_TRY_ASSIGN(Dim dim, MakeDim(options.dims[d], lengths[d]));
    if (options.random == 0 && options.at.empty()) {
      if (lengths[d] / dim.stride > kMostPlanned) return base::InvalidArgument("patches: more than 2^27 at a position");
      dim.starts = GridStarts(dim.length, dim.size, dim.stride, dim.wrap);
      count *= dim.starts.size();
    }
    // Both factors are below 2^28, so this comes in time.
    if (count > kMostPlanned) return base::InvalidArgument("patches: more than 2^27 at a position: raise the stride");
    patches.dims_.push_back(std::move(dim));
  }
  for (const auto& place : options.at) {
    if (place.size() != patches.dims_.size()) {
      return base::InvalidArgument("patches: a place of " + std::to_string(place.size()) +
                                   " numbers: expected one for " + "each of " + std::to_string(patches.dims_.size()) +
                                   " dimensions");
    }
    for (size_t d = 0; d < place.size(); ++d) {
      const Dim& dim = patches.dims_[d];
      if (place[d] < dim.places) continue;
      return base::InvalidArgument("patches: a patch of " + std::to_string(dim.size) + " at position " +
                                   std::to_string(place[d]) + " of '" + dim.name + "' reaches beyond its " +
                                   std::to_string(dim.length) + " positions");
    }
  }
  patches.at_ = options.at;
  if (!options.at.empty()) count = options.at.size();
  if (options.random > 0) count = options.random;
  if (count > kMostPlanned) return base::InvalidArgument("patches: more than 2^27 at a position");
  patches.per_position_ = count;
  return patches;
}

void Patches::AppendPlace(uint64_t number, const EpochSeed& epoch, std::vector<uint64_t>& place) const {
  if (dims_.empty()) return;
  uint64_t patch = number % per_position_;
  if (!at_.empty()) {
    place.insert(place.end(), at_[patch].begin(), at_[patch].end());
    return;
  }
  if (random_ > 0) {
    Random random(Random(~epoch.seed, epoch.epoch).Next(), number);
    for (const Dim& dim : dims_) place.push_back(random.Below(dim.places));
    return;
  }
  const size_t begin = place.size();
  place.resize(begin + dims_.size());
  for (size_t d = dims_.size(); d-- > 0; patch /= dims_[d].starts.size()) {
    place[begin + d] = dims_[d].starts[patch % dims_[d].starts.size()];
  }
}

std::string Patches::Text() const {
  std::vector<std::string> parts;
  for (const Dim& dim : dims_) {
    std::string part = dim.name + " " + std::to_string(dim.size) + " of " + std::to_string(dim.length);
    if (random_ == 0 && at_.empty()) part += " by " + std::to_string(dim.stride);
    parts.push_back(part + (dim.wrap ? " wrapped" : ""));
  }
  if (random_ > 0) parts.push_back(std::to_string(random_) + " at random");
  if (!at_.empty()) {
    std::string places;
    for (const auto& place : at_) {
      for (const uint64_t start : place) places += std::to_string(start) + ",";
    }
    parts.push_back(std::to_string(at_.size()) + " places " +
                    std::to_string(base::Crc32c(std::as_bytes(std::span(places)))));
  }
  return base::Join(parts, ", ");
}

}  // namespace seamount::loader
