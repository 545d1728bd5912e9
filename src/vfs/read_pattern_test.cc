#include "vfs/read_pattern.h"

#include <gtest/gtest.h>

namespace seamount::vfs {
namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;

uint64_t Bytes(const ReadPattern::Advice& advice) {
  uint64_t total = 0;
  for (const Extent& extent : advice.ahead) total += extent.size();
  return total;
}

TEST(ReadPattern, ARandomReadFetchesNothingAhead) {
  ReadPattern pattern(kGiB);
  for (const uint64_t offset : {700 * kMiB, 10 * kMiB, 333 * kMiB, 900 * kMiB, 50 * kMiB, 511 * kMiB}) {
    EXPECT_TRUE(pattern.OnRead(offset, 256 * kKiB, kGiB).ahead.empty()) << offset;
    EXPECT_TRUE(pattern.OnWait(offset, 256 * kKiB, kGiB).ahead.empty()) << offset;
  }
}

// With sixteen places remembered, one of thirty reads of half a gigabyte comes near one of them by chance.
TEST(ReadPattern, ARandomReadNearAnEarlierOneFetchesNothingAhead) {
  ReadPattern pattern(kGiB);
  for (const uint64_t offset : {100 * kMiB, 700 * kMiB, 100 * kMiB + 300 * kKiB, 700 * kMiB - 200 * kKiB}) {
    EXPECT_TRUE(pattern.OnRead(offset, 256 * kKiB, kGiB).ahead.empty()) << offset;
    EXPECT_TRUE(pattern.OnWait(offset, 256 * kKiB, kGiB).ahead.empty()) << offset;
  }
  EXPECT_FALSE(pattern.OnRead(100 * kMiB + 556 * kKiB, 256 * kKiB, kGiB).ahead.empty());  // reads on
}

TEST(ReadPattern, APlaceInTheMiddleIsAStreamWhateverOvertakesWhat) {
  ReadPattern pattern(kGiB);
  bool seen = false;
  for (const uint64_t at : {1, 0, 3, 2, 5, 4, 7, 6}) {
    seen = pattern.OnRead(500 * kMiB + at * kMiB, kMiB, kGiB).sequential || seen;
  }
  EXPECT_TRUE(seen);
  EXPECT_GE(Bytes(pattern.OnRead(508 * kMiB, kMiB, kGiB)), kMiB);
}

TEST(ReadPattern, AHeaderPeekCostsLittle) {
  ReadPattern pattern(kGiB);
  EXPECT_LE(Bytes(pattern.OnRead(0, 4 * kKiB, kGiB)), 3 * kMiB);
}

TEST(ReadPattern, TheWindowGrowsOnlyWhileTheReaderWaits) {
  ReadPattern pattern(kGiB);
  uint64_t patient = 0;
  for (uint64_t at = 0; at < 64 * kMiB; at += kMiB) patient = Bytes(pattern.OnRead(at, kMiB, 128 * kMiB));
  EXPECT_LE(patient, 4 * kMiB);  // never waited
  uint64_t before = patient;
  for (uint64_t at = 64 * kMiB; before < 120 * kMiB; at += kMiB) {
    ASSERT_LT(at, 80 * kMiB) << "the window does not grow";
    pattern.OnRead(at, kMiB, 128 * kMiB);
    const uint64_t now = Bytes(pattern.OnWait(at, kMiB, 128 * kMiB));
    EXPECT_LE(now, 2 * before + 2 * kMiB);
    before = now;
  }
  EXPECT_LE(before, 129 * kMiB);  // the cap, rounded to a block
}

TEST(ReadPattern, AFullWindowIsCutIntoAboutThirtyTwoRequests) {
  ReadPattern pattern(kGiB);
  ReadPattern::Advice advice;
  for (uint64_t at = 0; at < 32 * kMiB; at += kMiB) {
    pattern.OnRead(at, kMiB, 128 * kMiB);
    advice = pattern.OnWait(at, kMiB, 128 * kMiB);
  }
  EXPECT_GE(advice.ahead.size(), 30U);
  EXPECT_LE(advice.ahead.size(), 35U);
  for (size_t i = 1; i < advice.ahead.size(); ++i) {
    EXPECT_EQ(advice.ahead[i].begin, advice.ahead[i - 1].end);
    EXPECT_EQ(advice.ahead[i].begin % kMiB, 0U);  // whole blocks of the disk cache
  }
}

TEST(ReadPattern, RequestsThatOvertakeEachOtherAreOneStream) {
  ReadPattern pattern(kGiB);
  EXPECT_TRUE(pattern.OnRead(0, kMiB, 64 * kMiB).sequential);
  EXPECT_TRUE(pattern.OnRead(2 * kMiB, kMiB, 64 * kMiB).sequential);
  const auto late = pattern.OnRead(kMiB, kMiB, 64 * kMiB);
  EXPECT_TRUE(late.sequential);
  ASSERT_FALSE(late.ahead.empty());
  EXPECT_EQ(late.ahead[0].begin, 3 * kMiB);
}

TEST(ReadPattern, SeveralPlacesOfOneFileAreWalkedAtOnce) {
  ReadPattern pattern(kGiB);
  for (uint64_t step = 0; step < 8; ++step) {
    for (uint64_t reader = 0; reader < 8; ++reader) {
      const uint64_t at = reader * 100 * kMiB + step * kMiB;
      const auto advice = pattern.OnRead(at, kMiB, 16 * kMiB);
      EXPECT_TRUE(advice.sequential || step == 0) << reader << " " << step;
    }
  }
}

TEST(ReadPattern, AStrideIsFollowedBothWays) {
  for (const int64_t distance : {10 * static_cast<int64_t>(kMiB), -10 * static_cast<int64_t>(kMiB)}) {
    ReadPattern pattern(kGiB);
    int64_t at = 500 * kMiB;
    ReadPattern::Advice advice;
    for (int i = 0; i < 3; ++i, at += distance) advice = pattern.OnRead(static_cast<uint64_t>(at), 64 * kKiB, kGiB);
    ASSERT_EQ(advice.ahead.size(), 2U);
    EXPECT_EQ(advice.ahead[0].begin, static_cast<uint64_t>(at));
    EXPECT_EQ(advice.ahead[0].size(), 64 * kKiB);
    advice = pattern.OnWait(static_cast<uint64_t>(at - distance), 64 * kKiB, kGiB);
    EXPECT_EQ(advice.ahead.size(), 4U);
  }
}

TEST(ReadPattern, NothingIsAskedBeyondTheEnd) {
  ReadPattern pattern(5 * kMiB + 3);
  for (uint64_t at = 0; at < 5 * kMiB; at += kMiB) {
    for (const Extent& extent : pattern.OnRead(at, kMiB, kGiB).ahead) EXPECT_LE(extent.end, 5 * kMiB + 3);
    for (const Extent& extent : pattern.OnWait(at, kMiB, kGiB).ahead) EXPECT_LE(extent.end, 5 * kMiB + 3);
  }
}

}  // namespace
}  // namespace seamount::vfs
