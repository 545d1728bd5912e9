#include "loader/fetch_policy.h"

namespace seamount::loader {

std::optional<FetchPolicy::Issue> FetchPolicy::TryIssue() {
  // Chunks of one shard that follow each other are read by one request, as long as sending it takes about as long as
  // waiting for it: 1 MiB is 10 ms at 100 MB/s.
  constexpr uint64_t kTogetherBytes = uint64_t{1} << 20;
  const auto& residencies = schedule_.cache.residencies;
  Issue issue;
  uint64_t together = 0;
  uint32_t variable = 0;
  std::optional<uint64_t> shard;
  for (; next_ < residencies.size(); ++next_) {
    if (residencies[next_].held) continue;
    const auto place = dataset_.chunks.PlaceOf(schedule_.ChunkOf(next_));
    const zarr::Array& array = dataset_.variables[place.variable].array();
    std::optional<uint64_t> in_shard;
    if (array.metadata().shard_shape) in_shard = array.UnitNumber(dataset_.IndexOf(place));
    if (!issue.empty() &&
        (!in_shard || in_shard != shard || place.variable != variable || together >= kTogetherBytes)) {
      break;
    }
    if (!residents_.TryReserve(next_)) break;
    variable = place.variable;
    shard = in_shard;
    together += residents_.EncodedEstimate(variable);
    issue.push_back(next_);
  }
  if (issue.empty()) return std::nullopt;
  return issue;
}

void FetchPolicy::Took(double seconds) {
  constexpr double kWeight = 0.2;
  fetch_seconds_ = fetch_seconds_ == 0 ? seconds : (1 - kWeight) * fetch_seconds_ + kWeight * seconds;
}

bool FetchPolicy::WantsThread(const Threads& threads) const {
  // At 64 requests at once small chunks over 10 ms still gain; servers and file descriptors suffer beyond.
  constexpr size_t kMostThreads = 64;
  // A fetch that takes longer than this waited for a network, and more of them at once help. A local file never does.
  constexpr double kRemoteSeconds = 0.001;
  return threads.idle_workers > 0 && threads.idle_fetchers == 0 && threads.fetching < kMostThreads &&
         fetch_seconds_ > kRemoteSeconds && !exhausted();
}

}  // namespace seamount::loader
