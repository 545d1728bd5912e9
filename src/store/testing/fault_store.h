// A store that fails on purpose, for the tests of what stands above it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <random>

#include "store/store.h"

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
class FaultStore final : public Store {
 public:
  FaultStore(std::shared_ptr<Store> inner, const FaultOptions& options)
      : inner_(std::move(inner)), options_(options), random_(options.seed) {}

  uint64_t calls() const { return calls_; }
  uint64_t faults() const { return faults_; }

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override;
  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override;
  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override;
  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override;
  Result<ListPage> List(const ListOptions& options, const CallContext& context) override;
  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override;
  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override;

 private:
  bool Chance(double probability);
  uint64_t Below(uint64_t bound);
  template <class T>
  Result<T> Faulty(const std::function<Result<T>()>& call);

  const std::shared_ptr<Store> inner_;
  const FaultOptions options_;
  std::mutex mutex_;
  std::mt19937_64 random_;
  std::atomic<uint64_t> calls_ = 0;
  std::atomic<uint64_t> faults_ = 0;
};

}  // namespace seamount::store
