#include "stores/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/decorated_store.h"
#include "store/memory/memory_store.h"

namespace seamount::stores {
namespace {

using std::chrono::milliseconds;

// A line of 30 ms and 50 MB/s that all connections share, on a clock of its own.
class Slow final : public store::DecoratedStore<Slow> {
 public:
  Slow(std::shared_ptr<Store> inner, base::FakeClock& clock) : DecoratedStore(std::move(inner)), clock_(clock) {}
  Result<std::optional<store::ReadResult>> Read(const std::string& key, const store::ReadOptions& options,
                                                const CallContext& context) override {
    auto read = inner().Read(key, options, context);
    if (!read || !*read) return read;
    clock_.Advance(milliseconds(30) + std::chrono::nanoseconds(20 * (*read)->data.size()));
    return read;
  }

 private:
  base::FakeClock& clock_;
};

class LinkTest : public ::testing::Test {
 protected:
  void Write(const std::string& key, size_t bytes) {
    ASSERT_TRUE(memory_->Write(key, store::BytesSource(std::string(bytes, 'x')), {}, {}));
  }
  std::shared_ptr<Store> memory_ = store::MakeMemoryStore();
  base::FakeClock clock_;
  Slow slow_{memory_, clock_};
};

TEST_F(LinkTest, TellsTheRoundTripFromWhatFlows) {
  Write("a", 32 << 20);
  const auto link = MeasureLink(slow_, {.key = "a", .connections = 4, .max_bytes = 128 << 20}, clock_, {});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(link->round_trip, milliseconds(30) + std::chrono::nanoseconds(20));
  EXPECT_NEAR(link->connection_bytes_per_second, 50e6, 1e3);
  // One line for all of them, on which nothing is done at the same time.
  EXPECT_GT(link->bytes_per_second, 40e6);
  EXPECT_LT(link->bytes_per_second, 50e6);
  EXPECT_LE(link->bytes_read, 130U << 20);
}

TEST_F(LinkTest, SaysWhatItNeeds) {
  Write("small", 1000);
  const auto small = MeasureLink(slow_, {.key = "small"}, clock_, {});
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(small.error().message(), ::testing::HasSubstr("small has 1000 B"));
  const auto absent = MeasureLink(slow_, {.key = "absent"}, clock_, {});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
}

TEST_F(LinkTest, ReadsAboutAsMuchAsItMay) {
  Write("a", kMinProbeBytes);
  for (const uint64_t most : {uint64_t{1} << 20, uint64_t{64} << 20}) {
    const auto link = MeasureLink(slow_, {.key = "a", .connections = 16, .max_bytes = most}, clock_, {});
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_LE(link->bytes_read, most + most / 4);
    EXPECT_GE(link->bytes_read, most / 2);
  }
}

}  // namespace
}  // namespace seamount::stores
