#include "versions/chunker.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "versions/digest.h"

namespace seamount::versions {
namespace {

std::vector<std::byte> Noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> data(size);
  for (size_t at = 0; at + 8 <= size; at += 8) {
    const uint64_t word = random();
    std::memcpy(data.data() + at, &word, 8);
  }
  return data;
}

std::vector<size_t> Cuts(std::span<const std::byte> data) {
  std::vector<size_t> sizes;
  while (!data.empty()) {
    sizes.push_back(FirstChunk(data));
    data = data.subspan(sizes.back());
  }
  return sizes;
}

std::set<Digest> Digests(std::span<const std::byte> data) {
  std::set<Digest> out;
  for (const size_t size : Cuts(data)) {
    out.insert(DigestOf(data.first(size)));
    data = data.subspan(size);
  }
  return out;
}

TEST(Chunker, SizesLieBetweenTheLimits) {
  const auto data = Noise(100 << 20, 1);
  const auto sizes = Cuts(data);
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    EXPECT_GT(sizes[i], kMinChunk);
    EXPECT_LE(sizes[i], kMaxChunk);
  }
  EXPECT_NEAR(static_cast<double>(data.size()) / static_cast<double>(sizes.size()), kUsualChunk, kUsualChunk / 3.0);
}

TEST(Chunker, EmptyShortAndConstant) {
  EXPECT_EQ(FirstChunk({}), 0U);
  EXPECT_EQ(FirstChunk(Noise(1, 1)), 1U);
  EXPECT_EQ(FirstChunk(Noise(kMinChunk, 1)), kMinChunk);
  EXPECT_EQ(Cuts(std::vector<std::byte>(3 * kMaxChunk)), (std::vector<size_t>(3, kMaxChunk)));
}

// More bytes behind kMaxChunk do not move a cut: readers may hand over as much as they have.
TEST(Chunker, ACutDependsOnNothingBehindTheLargestChunk) {
  const auto data = Noise(4 * kMaxChunk, 2);
  std::span<const std::byte> rest = data;
  for (const size_t size : Cuts(data)) {
    EXPECT_EQ(FirstChunk(rest.first(std::min(rest.size(), kMaxChunk))), size);
    rest = rest.subspan(size);
  }
}

TEST(Chunker, AnInsertionChangesTheChunksAroundItAlone) {
  auto data = Noise(48 << 20, 3);
  const auto before = Digests(data);
  const auto more = Noise(100, 4);
  data.insert(data.begin() + (20 << 20), more.begin(), more.end());
  size_t fresh = 0;
  for (const Digest& digest : Digests(data)) fresh += before.contains(digest) ? 0 : 1;
  EXPECT_GE(fresh, 1U);
  EXPECT_LE(fresh, 3U);
}

// The cuts are the format: these were found when it was made.
TEST(Chunker, CutsStayWhereTheyWere) {
  std::vector<std::byte> data(40 << 20);
  uint64_t state = 7;
  for (std::byte& byte : data) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::byte>(state >> 56);
  }
  EXPECT_EQ(Cuts(data),
            (std::vector<size_t>{4920479, 4867804, 4715340, 5872690, 4474295, 4889466, 5004658, 2389566, 4808742}));
}

}  // namespace
}  // namespace seamount::versions
