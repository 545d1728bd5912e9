#include "zarr/codecs/scratch.h"

#include <algorithm>
#include <vector>

namespace seamount::zarr {
namespace {

// What a thread may keep: chains have at most a few stages, and a chunk larger than this costs so much to decode that
// its page faults do not matter.
constexpr size_t kMaxKeptBuffers = 4;
constexpr size_t kMaxKeptBytes = size_t{32} << 20;

std::vector<Buffer>& Kept() {
  thread_local std::vector<Buffer> kept;
  return kept;
}

}  // namespace

Scratch::Scratch(size_t size) : size_(size) {
  auto& kept = Kept();
  const auto found = std::find_if(kept.begin(), kept.end(), [size](const Buffer& b) { return b.size() >= size; });
  if (found == kept.end()) {
    buffer_ = Buffer(size);
    return;
  }
  buffer_ = std::move(*found);
  kept.erase(found);
}

Scratch::~Scratch() {
  if (buffer_.size() > kMaxKeptBytes) return;
  auto& kept = Kept();
  if (kept.size() < kMaxKeptBuffers) {
    kept.push_back(std::move(buffer_));
    return;
  }
  const auto smallest =
      std::min_element(kept.begin(), kept.end(), [](const Buffer& a, const Buffer& b) { return a.size() < b.size(); });
  if (smallest->size() < buffer_.size()) *smallest = std::move(buffer_);
}

}  // namespace seamount::zarr
