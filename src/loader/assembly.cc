#include "loader/assembly.h"

#include <algorithm>

namespace seamount::loader {

Assembly::Assembly(const SampleSource& source, const Stretch& stretch, std::shared_ptr<BatchPool> pool,
                   uint64_t batches_at_once)
    : source_(source),
      dataset_(source.dataset()),
      stretch_(stretch),
      pool_(std::move(pool)),
      batches_at_once_(batches_at_once) {}

std::pair<uint32_t, uint32_t> Assembly::Open() {
  const Schedule& schedule = stretch_.schedule;
  const uint32_t begin = schedule.first_use[open_end_];
  const uint64_t end = std::min<uint64_t>(schedule.batches(), head_ + batches_at_once_);
  for (; open_end_ < end; ++open_end_) {
    OpenBatch& batch = open_[open_end_];
    batch.memory = pool_->Take();
    const std::vector<uint32_t> numbers = stretch_.NumbersOf(open_end_);
    batch.samples = numbers.size();
    batch.placements = source_.PlacementsOf(numbers, stretch_.Seed());
    batch.uses_left = schedule.first_use[open_end_ + 1] - schedule.first_use[open_end_];
  }
  return {begin, schedule.first_use[open_end_]};
}

Assembly::Job Assembly::JobOf(uint32_t use) const {
  const Schedule& schedule = stretch_.schedule;
  return {&open_.at(schedule.BatchOf(use)),
          dataset_.chunks.PlaceOf(schedule.ChunkOf(schedule.cache.residency_of[use]))};
}

Assembly::Found Assembly::Copy(const Job& job, const std::byte* decoded, MissingRows& rows) const {
  const auto& [batch, place] = job;
  const Variable& variable = dataset_.variables[place.variable];
  const Window& window = dataset_.windows[place.variable];
  const nd::Index chunk = dataset_.IndexOf(place);
  const uint64_t first_position = place.row * dataset_.chunks.grids()[place.variable].chunk_samples;
  // What a core may hope to find in its caches later on.
  constexpr uint64_t kCachedBytes = uint64_t{8} << 20;
  const Written written = dataset_.layout.bytes() > kCachedBytes ? Written::kPastCache : Written::kIntoCache;
  Found found;
  for (const Placement& placement : source_.In(place, batch->placements)) {
    const Destination& destination = dataset_.destinations[place.variable][placement.destination];
    const OutputSlot& slot = dataset_.slots[destination.slot];
    const uint64_t element = dataset_.layout.ElementOf(placement.sample, destination);
    const auto mask = dataset_.layout.mask_offset(destination.slot);
    const uint64_t row = placement.position - first_position;
    const bool may_be_missing = rows.MayBe(row);
    const Target target{
        .dtype = slot.dtype,
        .bfloat16 = slot.bfloat16,
        .data = batch->memory.get() + dataset_.layout.data_offset(destination.slot) + element * nd::SizeOf(slot.dtype),
        .mask = mask ? reinterpret_cast<uint8_t*>(batch->memory.get() + *mask + element) : nullptr,
        .fill = slot.missing.fill,
        .written = written,
        .may_be_missing = may_be_missing};
    bool some = false;
    for (const Window::Piece& piece : source_.PiecesOf(place.variable, placement, batch->placements)) {
      some |= variable.CopyPiece(chunk, decoded, window, piece, target);
    }
    if (some) {
      using Sample = MissingPolicy::Sample;
      found.missing |= !slot.missing.fill && slot.missing.sample == Sample::kKeep;
      if (slot.missing.sample == Sample::kSkip) found.skip.push_back(placement.sample);
      if (slot.missing.sample == Sample::kRefuse) found.refused = placement;
    }
    // Every window takes the same of the row, unless it is a patch.
    // Integers are not searched.
    if (may_be_missing && !some && window.crops.empty() && slot.floating()) rows.SetClean(row);
  }
  return found;
}

void Assembly::FinishUse(uint32_t use, const Found& found, uint64_t fetched) {
  OpenBatch& batch = open_.at(stretch_.schedule.BatchOf(use));
  --batch.uses_left;
  batch.missing |= found.missing;
  for (const uint32_t sample : found.skip) {
    batch.skip.resize(batch.samples);
    batch.skip[sample] = true;
  }
  batch.fetched = std::max(batch.fetched, fetched);
}

Error Assembly::Refusal(const Job& job, const Placement& refused) const {
  const Destination& destination = dataset_.destinations[job.place.variable][refused.destination];
  const OutputSlot& slot = dataset_.slots[destination.slot];
  const std::string where = dataset_.variables[job.place.variable].is_static()
                                ? std::string()
                                : " at position " + std::to_string(refused.position);
  return base::PreconditionFailed("variable '" + dataset_.variables[job.place.variable].name() +
                                  "' has missing values" + where + ", and '" + slot.name +
                                  "' allows none (missing='raise'): select other samples, or fill, mask or skip them");
}

bool Assembly::HeadComplete() const {
  const auto head = open_.find(head_);
  return head != open_.end() && head->second.uses_left == 0;
}

Filled Assembly::TakeHead() {
  const auto head = open_.find(head_);
  Filled filled{std::move(head->second.memory), std::move(head->second.skip), head->second.missing};
  open_.erase(head);
  ++head_;
  return filled;
}

}  // namespace seamount::loader
