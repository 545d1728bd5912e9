#include "base/large_memory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace seamount::base {
namespace {

#ifndef __SANITIZE_ADDRESS__  // under which nothing is mapped

TEST(LargeMemoryTest, WhatIsGivenBackIsUsedAgainUpToALimit) {
  constexpr size_t kSize = 300'000;
  MapLargeBuffers(1'000'000);
  const uint64_t before = MappedBytes();
  const std::byte* first = nullptr;
  {
    Buffer small(1000);
    EXPECT_EQ(MappedBytes(), before);
    Buffer large(kSize);
    std::fill(large.span().begin(), large.span().end(), std::byte{1});
    first = large.data();
    EXPECT_GE(MappedBytes(), before + kSize);
  }
  const uint64_t one = MappedBytes() - before;
  EXPECT_LE(one, kSize + kSize / 8);
  std::thread([&] {
    const Bytes again(Buffer(kSize - 1000));  // about as large, on another thread
    EXPECT_EQ(again.data(), first);
    EXPECT_EQ(MappedBytes() - before, one);
  }).join();
  {
    std::vector<Buffer> many;
    for (int i = 0; i < 10; ++i) many.emplace_back(kSize);
    EXPECT_EQ(MappedBytes() - before, 10 * one);
  }
  EXPECT_LE(MappedBytes() - before, 1'000'000u);
  EXPECT_GE(MappedBytes() - before, one);
}

TEST(LargeMemoryTest, AForkedChildTakesSome) {
  MapLargeBuffers(1'000'000);
  std::atomic<bool> done = false;
  std::thread busy([&] {
    while (!done) Buffer(200'000);
  });
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Buffer buffer(200'000);
      buffer.data()[0] = std::byte{1};
      _exit(0);
    }
    int status = 1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  done = true;
  busy.join();
}

#endif

}  // namespace
}  // namespace seamount::base
