#include "versions/chunker.h"

#include <algorithm>
#include <array>

namespace seamount::versions {
namespace {

// A number for each byte, from SplitMix64 seeded with 1: never to be changed.
constexpr std::array<uint64_t, 256> MakeGear() {
  std::array<uint64_t, 256> gear{};
  uint64_t state = 1;
  for (uint64_t& value : gear) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    value = z ^ (z >> 31);
  }
  return gear;
}
constexpr std::array<uint64_t, 256> kGear = MakeGear();

// Behind kMinChunk a cut comes every 2^bits bytes in the mean: every 16 MiB before the usual size, every 1 MiB beyond.
constexpr uint64_t TopBits(int bits) { return ~uint64_t{0} << (64 - bits); }
constexpr uint64_t kSeldom = TopBits(24), kOften = TopBits(20);

// A byte has left the hash after 64 more: what lies before has no part in it.
constexpr size_t kWindow = 64;

// The first place in [at, end) behind which a cut is; end where there is none.
size_t FindCut(std::span<const std::byte> data, size_t at, size_t end, uint64_t mask, uint64_t& hash) {
  for (; at < end; ++at) {
    hash = (hash << 1) + kGear[std::to_integer<size_t>(data[at])];
    if ((hash & mask) == 0) return at + 1;
  }
  return end;
}

}  // namespace

size_t FirstChunk(std::span<const std::byte> data) {
  const size_t most = std::min(data.size(), kMaxChunk);
  if (most <= kMinChunk) return most;
  const size_t usual = std::min(most, kUsualChunk);
  uint64_t hash = 0;
  for (size_t at = kMinChunk - kWindow; at < kMinChunk; ++at) {
    hash = (hash << 1) + kGear[std::to_integer<size_t>(data[at])];
  }
  const size_t early = FindCut(data, kMinChunk, usual, kSeldom, hash);
  if (early < usual) return early;
  return FindCut(data, usual, most, kOften, hash);
}

}  // namespace seamount::versions
