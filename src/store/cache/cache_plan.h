// What of a read is cached in a block and what has to be fetched, as a pure function.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "store/store.h"

namespace seamount::store {

// 128 KiB, the size of a read by the kernel. What lies between a gap and a part that is cached of the same 128 KiB
// comes along when the gap is fetched, so that the parts of a block stay few however it is read.
inline constexpr uint64_t kJoinedBytes = 128 << 10;

struct PlannedSpan {
  ByteSpan span;
  bool cached = false;
};

// Covers `wanted`, which is not empty, in order and without overlap; what is to be fetched may begin before it or end
// behind it. parts: what is cached, in order, not touching each other.
std::vector<PlannedSpan> PlanBlock(std::span<const ByteSpan> parts, ByteSpan wanted);

// The same bytes as parts in order that neither overlap nor touch, without empty ones.
std::vector<ByteSpan> Normalized(std::vector<ByteSpan> parts);

}  // namespace seamount::store
