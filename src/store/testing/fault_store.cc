#include "store/testing/fault_store.h"

#include <algorithm>

namespace seamount::store {

bool FaultStore::Chance(double probability) {
  if (probability <= 0) return false;
  std::scoped_lock lock(mutex_);
  const bool hit = std::uniform_real_distribution<double>(0, 1)(random_) < probability;
  if (hit) ++faults_;
  return hit;
}

uint64_t FaultStore::Below(uint64_t bound) {
  std::scoped_lock lock(mutex_);
  return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random_);
}

void FaultStore::Damage(Bytes& data) {
  if (!data.empty() && Chance(options_.short_read)) data = data.Slice(0, Below(data.size()));
  if (!data.empty() && Chance(options_.bit_flip)) {
    Buffer flipped(data.size());
    std::copy(data.span().begin(), data.span().end(), flipped.data());
    flipped.data()[Below(data.size())] ^= std::byte{1} << Below(8);
    data = std::move(flipped);
  }
}

}  // namespace seamount::store
