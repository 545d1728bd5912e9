// A store that fails on purpose, for the tests of what stands above it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <random>

#include "store/decorated_store.h"

namespace seamount::store {

struct FaultOptions {
  uint64_t seed = 0;
  double fail_before = 0;  // chance of Unavailable instead of the call
  double fail_after = 0;   // chance of Unavailable after the call has had its effect
  double short_read = 0;   // chance that a Read's last bytes are missing
  double bit_flip = 0;     // chance that one bit of what is read is wrong
  bool faulty_deletes = true;
};

// Thread-safe. The same seed and the same order of calls give the same faults.
class FaultStore final : public DecoratedStore<FaultStore> {
 public:
  FaultStore(std::shared_ptr<Store> inner, const FaultOptions& options)
      : DecoratedStore(std::move(inner)), options_(options), random_(options.seed) {}

  uint64_t calls() const { return calls_; }
  uint64_t faults() const { return faults_; }

  template <class T, class Call>
  Result<T> Around(const StoreCall& which, const Call& call) {
    if (which.kind == CallKind::kDelete && !options_.faulty_deletes) return call();
    ++calls_;
    if (Chance(options_.fail_before)) return base::Unavailable("injected: before the effect");
    Result<T> result = call();
    if (result && Chance(options_.fail_after)) return base::Unavailable("injected: after the effect");
    if constexpr (std::is_same_v<T, std::optional<ReadResult>>) {
      if (result && *result) Damage((*result)->data);
    }
    return result;
  }

 private:
  bool Chance(double probability);
  uint64_t Below(uint64_t bound);
  void Damage(Bytes& data);

  const FaultOptions options_;
  std::mutex mutex_;
  std::mt19937_64 random_;
  std::atomic<uint64_t> calls_ = 0;
  std::atomic<uint64_t> faults_ = 0;
};

}  // namespace seamount::store
