#include "vfs/read_pattern.h"

#include <algorithm>
#include <cstdlib>

namespace seamount::vfs {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// Places walked at once in one file: a data loader has about as many workers.
constexpr size_t kMaxStreams = 16;

// 16 connections are no bound at 30 ms: 32 plain ranged requests moved twice what 16 did.
constexpr uint64_t kPartsPerWindow = 32;

// The disk cache's block; parts are whole blocks so that no block is fetched by two requests.
constexpr uint64_t kBlock = kMiB;
// Beyond 4 MiB a request's round trip is under a third of its time at 50 MB/s, and longer parts only cost memory.
constexpr uint64_t kMaxPart = 4 * kMiB;

// The first window: a file read from its very beginning will usually be read on.
constexpr uint64_t kFirstWindow = 2 * kMiB;

// Requests of the kernel overtake each other by at most its own read-ahead, a few MiB.
constexpr uint64_t kKeepBehind = 8 * kMiB;

constexpr uint64_t kFirstStrideDepth = 2;
constexpr uint64_t kMaxStrideDepth = 64;
// Three reads at one distance are a pattern, two are chance.
constexpr int kStrideRepeats = 2;

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

ReadPattern::Stream* ReadPattern::Match(uint64_t offset) {
  for (Stream& stream : streams_) {
    // Among sixteen places a random read is soon near one. So one read is no stream yet, until another begins where it
    // ended (of requests that overtook each other some do), and what has walked a little has little around it.
    const uint64_t slack = stream.window > 0 ? std::min(stream.next - stream.begin, kKeepBehind / 4) : 0;
    if (offset <= stream.next + slack && offset + slack >= stream.next) return &stream;
  }
  return nullptr;
}

ReadPattern::Stream& ReadPattern::Begin(uint64_t offset, uint64_t length) {
  if (streams_.size() == kMaxStreams) {
    streams_.erase(std::min_element(streams_.begin(), streams_.end(),
                                    [](const Stream& a, const Stream& b) { return a.used_at < b.used_at; }));
  }
  return streams_.emplace_back(Stream{.begin = offset, .next = offset + length, .used_at = reads_});
}

ReadPattern::Advice ReadPattern::Ahead(const Stream& stream) const {
  Advice advice;
  advice.sequential = true;
  advice.stream_begin = stream.begin;
  advice.keep_behind = stream.next > kKeepBehind ? stream.next - kKeepBehind : 0;
  const uint64_t part = std::clamp(RoundUp(stream.window / kPartsPerWindow, kBlock), kBlock, kMaxPart);
  const uint64_t end = std::min(size_, RoundUp(stream.next + stream.window, kBlock));
  for (uint64_t at = stream.next; at < end;) {
    const uint64_t stop = std::min(end, RoundUp(at + 1, part));
    advice.ahead.push_back({at, stop});
    at = stop;
  }
  return advice;
}

ReadPattern::Advice ReadPattern::OnRead(uint64_t offset, uint64_t length, uint64_t cap_bytes) {
  ++reads_;
  Stream* stream = Match(offset);
  if (stream == nullptr) {
    Advice advice = OnStride(offset, length, cap_bytes);
    Stream& fresh = Begin(offset, length);
    if (!advice.ahead.empty()) return advice;
    if (offset != 0) return {};
    fresh.window = std::min(kFirstWindow, cap_bytes);
    return Ahead(fresh);
  }
  stream->used_at = reads_;
  stream->begin = std::min(stream->begin, offset);
  stream->next = std::max(stream->next, offset + length);
  const uint64_t walked = stream->next - stream->begin;
  stream->window = std::min({std::max(stream->window, std::min(2 * walked, kFirstWindow)), cap_bytes});
  return Ahead(*stream);
}

ReadPattern::Advice ReadPattern::OnWait(uint64_t offset, uint64_t length, uint64_t cap_bytes) {
  if (stride_.depth > 0 && stride_.last_offset == offset) {
    stride_.depth = std::min({stride_.depth * 2, kMaxStrideDepth, std::max<uint64_t>(1, cap_bytes / length)});
    Advice advice;
    advice.ahead = StrideAhead(offset, length);
    return advice;
  }
  Stream* stream = Match(offset);
  if (stream == nullptr || stream->window == 0) return {};
  const uint64_t walked = stream->next - stream->begin;
  stream->window = std::min({stream->window * 2, std::max(2 * walked, kFirstWindow) * 2, cap_bytes});
  return Ahead(*stream);
}

ReadPattern::Advice ReadPattern::OnStride(uint64_t offset, uint64_t length, uint64_t cap_bytes) {
  Advice advice;
  const auto distance = static_cast<int64_t>(offset - stride_.last_offset);
  if (length == stride_.last_length && distance == stride_.distance && distance != 0) {
    ++stride_.repeats;
  } else {
    stride_.repeats = 0;
    stride_.depth = 0;
  }
  stride_.distance = distance;
  stride_.last_offset = offset;
  stride_.last_length = length;
  // repeats counts equal distances beyond the first: distances between three reads agree when it is 1.
  if (stride_.repeats + 1 < kStrideRepeats) return advice;
  if (stride_.depth == 0) stride_.depth = std::min(kFirstStrideDepth, std::max<uint64_t>(1, cap_bytes / length));
  advice.ahead = StrideAhead(offset, length);
  return advice;
}

std::vector<Extent> ReadPattern::StrideAhead(uint64_t offset, uint64_t length) const {
  std::vector<Extent> ahead;
  auto at = static_cast<int64_t>(offset);
  for (uint64_t i = 0; i < stride_.depth; ++i) {
    at += stride_.distance;
    if (at < 0 || static_cast<uint64_t>(at) >= size_) break;
    ahead.push_back({static_cast<uint64_t>(at), std::min(size_, static_cast<uint64_t>(at) + length)});
  }
  return ahead;
}

std::vector<Extent> ReadPattern::Windows() const {
  std::vector<Extent> windows;
  for (const Stream& stream : streams_) {
    if (stream.window == 0) continue;
    const uint64_t begin = stream.next > kKeepBehind ? stream.next - kKeepBehind : 0;
    windows.push_back({begin, RoundUp(stream.next + stream.window, kMaxPart)});
  }
  if (stride_.depth > 0) {
    for (const Extent& piece : StrideAhead(stride_.last_offset, stride_.last_length)) windows.push_back(piece);
  }
  return windows;
}

}  // namespace seamount::vfs
