#include "loader/residents.h"

#include <algorithm>
#include <utility>

namespace seamount::loader {

Residents::Residents(const Dataset& dataset, const Schedule& schedule, exec::ByteBudget& budget, uint64_t ahead_bytes,
                     ChunkPool& pool, HeldChunks held)
    : dataset_(dataset),
      schedule_(schedule),
      budget_(budget),
      ahead_bytes_(ahead_bytes),
      pool_(pool),
      encoded_ratio_(dataset.variables.size(), 0) {
  const CachePlan& plan = schedule.cache;
  for (uint32_t r = 0; r < plan.residencies.size(); ++r) {
    if (!plan.residencies[r].held) continue;
    const auto found = held.find(schedule.ChunkOf(r));
    Resident& resident = live_[r];
    resident.decoded = std::move(found->second.decoded);
    resident.lease = std::move(found->second.lease);
    resident.missing = std::move(found->second.missing);
    resident.is_decoded = true;
    resident.uses_left = plan.residencies[r].uses;
    resident.fetched = 1;  // before anything that this stretch fetches
    held.erase(found);
  }
  for (const uint32_t chunk : plan.carried) {
    const auto found = held.find(schedule.chunks[chunk]);
    kept_.insert(held.extract(found));
  }
  for (auto& [number, chunk] : held) pool_.Give(std::move(chunk.decoded));
}

Residents::~Residents() { (void)Release(); }

uint64_t Residents::EncodedEstimate(uint32_t variable) const {
  const uint64_t decoded = dataset_.chunks.grids()[variable].chunk_bytes;
  const double ratio = encoded_ratio_[variable];
  // Until something was seen, and beyond it, as large as decoded: what does not compress is stored about so.
  // Not a byte more: the plan leaves room for one chunk, decoded twice, and a chunk that wanted more would wait
  // forever.
  if (ratio == 0) return decoded;
  return std::min(decoded, static_cast<uint64_t>(ratio * 1.1 * static_cast<double>(decoded)) + 1);
}

uint64_t Residents::DecodedBytes(uint32_t residency) const {
  return dataset_.chunks.BytesOf(schedule_.ChunkOf(residency));
}

bool Residents::TryReserve(uint32_t residency) {
  exec::ByteLease lease;
  if (without_room_.empty()) lease = budget_.TryAcquire(DecodedBytes(residency));
  const uint64_t estimate = EncodedEstimate(dataset_.chunks.PlaceOf(schedule_.ChunkOf(residency)).variable);
  if (lease.bytes() == 0 && encoded_bytes_ + estimate > ahead_bytes_) return false;
  auto encoded = budget_.TryAcquire(estimate);
  if (encoded.bytes() == 0) return false;
  if (lease.bytes() == 0) without_room_.push_back(residency);
  Resident& resident = live_[residency];
  resident.lease = std::move(lease);
  resident.encoded_lease = std::move(encoded);
  resident.uses_left = schedule_.cache.residencies[residency].uses;
  encoded_bytes_ += resident.encoded_lease.bytes();
  pool_.LeaveRoom(encoded_bytes_);
  return true;
}

std::vector<uint32_t> Residents::GiveRoom() {
  std::vector<uint32_t> come;
  while (!without_room_.empty()) {
    const uint32_t residency = without_room_.front();
    auto lease = budget_.TryAcquire(DecodedBytes(residency));
    if (lease.bytes() == 0) break;
    Resident& resident = live_.at(residency);
    resident.lease = std::move(lease);
    if (resident.fetched > 0) come.push_back(residency);
    without_room_.pop_front();
  }
  return come;
}

void Residents::ReleaseEncoded(Resident& resident) {
  encoded_bytes_ -= resident.encoded_lease.bytes();
  resident.encoded_lease.Release();
  pool_.LeaveRoom(encoded_bytes_);
}

void Residents::PutEncoded(uint32_t residency, std::optional<Bytes> encoded, uint64_t fetched) {
  Resident& resident = live_.at(residency);
  resident.encoded = std::move(encoded);
  resident.fetched = fetched;
  if (!resident.encoded) return ReleaseEncoded(resident);
  const uint32_t variable = dataset_.chunks.PlaceOf(schedule_.ChunkOf(residency)).variable;
  const double decoded = static_cast<double>(dataset_.chunks.grids()[variable].chunk_bytes);
  encoded_ratio_[variable] =
      std::max(encoded_ratio_[variable], static_cast<double>(resident.encoded->size()) / decoded);
}

std::optional<Bytes> Residents::TakeEncoded(uint32_t residency) {
  return std::exchange(live_.at(residency).encoded, std::nullopt);
}

void Residents::PutDecoded(uint32_t residency, Buffer decoded) {
  Resident& resident = live_.at(residency);
  const uint32_t variable = dataset_.chunks.PlaceOf(schedule_.ChunkOf(residency)).variable;
  const bool can_be_missing = dataset_.variables[variable].CanBeMissing();
  resident.missing =
      std::make_unique<MissingRows>(can_be_missing ? dataset_.chunks.grids()[variable].chunk_samples : 0);
  resident.decoded = std::move(decoded);
  resident.is_decoded = true;
  ReleaseEncoded(resident);
}

void Residents::GiveBack(uint32_t residency, Buffer buffer) {
  ReleaseEncoded(live_.at(residency));
  pool_.Give(std::move(buffer));
}

const std::byte* Residents::Decoded(uint32_t residency) const {
  const auto found = live_.find(residency);
  return found == live_.end() || !found->second.is_decoded ? nullptr : found->second.decoded.data();
}

bool Residents::FinishUse(uint32_t residency) {
  const auto found = live_.find(residency);
  Resident& resident = found->second;
  if (--resident.uses_left > 0) return false;
  const bool kept = schedule_.cache.residencies[residency].kept;
  if (kept) {
    kept_[schedule_.ChunkOf(residency)] = {std::move(resident.decoded), std::move(resident.missing),
                                           std::move(resident.lease)};
  } else {
    pool_.Give(std::move(resident.decoded));
  }
  live_.erase(found);
  return !kept;
}

HeldChunks Residents::Release() {
  for (auto& [residency, resident] : live_) {
    if (resident.decoded.data() != nullptr) pool_.Give(std::move(resident.decoded));
  }
  live_.clear();
  without_room_.clear();
  encoded_bytes_ = 0;
  pool_.LeaveRoom(0);
  return std::exchange(kept_, {});
}

}  // namespace seamount::loader
