#include "stores/link.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "base/text.h"
#include "exec/for_each.h"
#include "exec/thread_pool.h"

namespace seamount::stores {
namespace {

constexpr int kRoundTrips = 9;
constexpr int kFlows = 3;
constexpr uint64_t kLargestRead = 16 << 20;

double Seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// One object, read again and again at one generation.
class Probe {
 public:
  Probe(Store& store, const store::ObjectInfo& object, const LinkProbe& wanted, base::Clock& clock)
      : store_(store), object_(object), on_read_(wanted.on_read), clock_(clock) {}

  Result<base::Duration> Time(uint64_t offset, uint64_t bytes, const CallContext& context) {
    const store::ReadOptions options{.range = store::ByteRange{.offset = offset, .length = bytes},
                                     .if_generation = object_.generation};
    const base::SteadyTime start = clock_.Now();
    SEAMOUNT_TRY_ASSIGN(const auto read, store_.Read(object_.key, options, context));
    if (!read || read->data.size() != bytes) return base::DataLoss(object_.key + " became shorter while it was read");
    bytes_read_ += bytes;
    on_read_(bytes);
    return clock_.Now() - start;
  }

  // The median of several reads of the same size.
  Result<base::Duration> Median(int reads, uint64_t bytes, const CallContext& context) {
    std::vector<base::Duration> times;
    for (int i = 0; i < reads; ++i) {
      SEAMOUNT_TRY_ASSIGN(const base::Duration time, Time(OffsetOf(static_cast<uint64_t>(i), bytes), bytes, context));
      times.push_back(time);
    }
    std::ranges::nth_element(times, times.begin() + times.size() / 2);
    return times[times.size() / 2];
  }

  // Spread over the object, so that no server answers from what it has just read.
  uint64_t OffsetOf(uint64_t read, uint64_t bytes) const {
    const uint64_t places = object_.size_bytes / bytes;
    return read * 7 % places * bytes;
  }

  uint64_t bytes_read() const { return bytes_read_; }

 private:
  Store& store_;
  const store::ObjectInfo& object_;
  const std::function<void(uint64_t)>& on_read_;
  base::Clock& clock_;
  std::atomic<uint64_t> bytes_read_ = 0;
};

}  // namespace

Result<Link> MeasureLink(Store& store, const LinkProbe& probe, base::Clock& clock, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto object, store.Stat(probe.key, context));
  if (!object) return base::NotFound("there is no object " + probe.key);
  if (object->size_bytes < kMinProbeBytes) {
    return base::InvalidArgument(probe.key + " has " + base::FormatBytes(object->size_bytes) +
                                 ": a link is measured with " + base::FormatBytes(kMinProbeBytes) + " or more");
  }
  Probe reads(store, *object, probe, clock);
  Link link{.connections = probe.connections};
  SEAMOUNT_TRY(reads.Time(0, 1, context));  // opens the connection
  SEAMOUNT_TRY_ASSIGN(link.round_trip, reads.Median(kRoundTrips, 1, context));

  // A read takes a round trip and then flows.
  const uint64_t one = std::min({object->size_bytes, kLargestRead, probe.max_bytes / 8});
  SEAMOUNT_TRY_ASSIGN(const base::Duration flow, reads.Median(kFlows, one, context));
  link.connection_bytes_per_second =
      static_cast<double>(one) / std::max(1e-9, Seconds(flow) - Seconds(link.round_trip));

  // Connections are opened first, so that what is timed is reading alone.
  exec::ThreadPool pool(static_cast<int>(probe.connections));
  const auto read_all = [&](size_t count, uint64_t bytes) {
    return exec::ForEachItem(pool, probe.connections, count, context,
                             [&](size_t item, size_t, const CallContext& limits) -> Result<void> {
                               SEAMOUNT_TRY(reads.Time(reads.OffsetOf(item, bytes), bytes, limits));
                               return {};
                             });
  };
  SEAMOUNT_TRY(read_all(probe.connections, 1));
  const uint64_t left = probe.max_bytes - std::min(probe.max_bytes, reads.bytes_read());
  const uint64_t each = std::min(one, std::max<uint64_t>(1, left / (2 * probe.connections)));
  const size_t count = std::max<size_t>(probe.connections, left / each);
  const base::SteadyTime start = clock.Now();
  SEAMOUNT_TRY(read_all(count, each));
  link.bytes_per_second = static_cast<double>(count * each) / std::max(1e-9, Seconds(clock.Now() - start));
  link.bytes_read = reads.bytes_read();
  return link;
}

}  // namespace seamount::stores
