#include "zarr/codecs/jenkins.h"

#include <array>
#include <bit>
#include <cstring>

namespace seamount::zarr {
namespace {

using State = std::array<uint32_t, 3>;

// The published algorithm: each step subtracts, rotates, adds; the letters rotate too.
void Mix(State& s) {
  constexpr int kTurns[] = {4, 6, 8, 16, 19, 4};
  size_t a = 0;
  for (const int turn : kTurns) {
    const size_t b = (a + 1) % 3;
    const size_t c = (a + 2) % 3;
    s[a] -= s[c];
    s[a] ^= std::rotl(s[c], turn);
    s[c] += s[b];
    a = b;
  }
}

void Finish(State& s) {
  constexpr int kTurns[] = {14, 11, 25, 16, 4, 14, 24};
  size_t c = 2;
  for (const int turn : kTurns) {
    const size_t b = (c + 2) % 3;
    s[c] ^= s[b];
    s[c] -= std::rotl(s[b], turn);
    c = (c + 1) % 3;
  }
}

}  // namespace

uint32_t JenkinsLookup3(std::span<const std::byte> data, uint32_t initial) {
  constexpr size_t kBlock = 12;
  const uint32_t start = 0xdeadbeef + static_cast<uint32_t>(data.size()) + initial;
  State s = {start, start, start};
  std::array<uint32_t, 3> words{};
  const auto add = [&](std::span<const std::byte> bytes) {
    words = {};
    std::memcpy(words.data(), bytes.data(), bytes.size());
    for (size_t i = 0; i < words.size(); ++i) s[i] += words[i];
  };
  if (data.empty()) return s[2];
  for (; data.size() > kBlock; data = data.subspan(kBlock)) {
    add(data.first(kBlock));
    Mix(s);
  }
  add(data);
  Finish(s);
  return s[2];
}

}  // namespace seamount::zarr
