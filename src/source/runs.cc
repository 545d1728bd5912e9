#include "source/runs.h"

#include <utility>
#include <vector>

namespace seamount::source {
namespace {

constexpr size_t kMaxRuns = 256;  // told to the file at once
constexpr uint64_t kMaxBytes = uint64_t{4} << 20;

// The places of the runs, in the order of the box.
class Runs {
 public:
  Runs(const PlainArray& array, const nd::Box& box) : array_(array), box_(box), at_(array.begin) {
    bytes_ = array.element_bytes;
    size_t outer = array.shape.size();
    while (outer > 0 && array.stride_bytes[outer - 1] == bytes_) {
      --outer;
      bytes_ *= box.shape[outer];
      if (box.shape[outer] != array.shape[outer]) break;
    }
    for (size_t d = 0; d < array.shape.size(); ++d) at_ += box.origin[d] * array.stride_bytes[d];
    position_.resize(outer, 0);
    left_ = 1;
    for (size_t d = 0; d < outer; ++d) left_ *= box.shape[d];
  }

  // The next ones; none at the end.
  std::vector<store::ByteSpan> Next() {
    std::vector<store::ByteSpan> runs;
    for (uint64_t bytes = 0; left_ > 0 && runs.size() < kMaxRuns && bytes < kMaxBytes; bytes += bytes_) {
      runs.push_back({at_, at_ + bytes_});
      Step();
    }
    return runs;
  }

 private:
  void Step() {
    --left_;
    for (size_t d = position_.size(); d-- > 0;) {
      at_ += array_.stride_bytes[d];
      if (++position_[d] < box_.shape[d]) return;
      at_ -= position_[d] * array_.stride_bytes[d];
      position_[d] = 0;
    }
  }

  const PlainArray& array_;
  const nd::Box& box_;
  uint64_t at_;
  uint64_t bytes_ = 0;  // of one run
  uint64_t left_ = 0;
  nd::Index position_;
};

}  // namespace

Result<void> ReadRuns(const File& file, const PlainArray& array, const nd::Box& box, std::span<std::byte> into) {
  if (into.empty()) return {};
  Runs runs(array, box);
  uint64_t filled = 0;
  for (auto now = runs.Next(); !now.empty();) {
    auto next = runs.Next();
    if (filled == 0) file.Expect(now);
    file.Expect(next);
    for (const store::ByteSpan& run : now) {
      SEAMOUNT_TRY(file.ReadAt(run.begin, into.subspan(filled, run.size())));
      filled += run.size();
    }
    now = std::move(next);
  }
  return {};
}

}  // namespace seamount::source
