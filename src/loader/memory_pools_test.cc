#include "loader/memory_pools.h"

#include <gtest/gtest.h>

#include <vector>

namespace seamount::loader {
namespace {

TEST(ChunkPoolTest, WhatIsFreeGoesForOthersAndWhatIsTakenStays) {
  ChunkPool pool(1000);
  std::vector<Buffer> taken;
  for (int i = 0; i < 10; ++i) taken.push_back(pool.Take(100));
  for (int i = 0; i < 7; ++i) {
    pool.Give(std::move(taken.back()));
    taken.pop_back();
  }
  EXPECT_EQ(pool.bytes(), 1000u);
  pool.LeaveRoom(400);
  EXPECT_EQ(pool.bytes(), 600u);
  taken.push_back(pool.Take(150));  // of another size, in the place of free ones
  EXPECT_EQ(pool.bytes(), 550u);
  pool.LeaveRoom(900);
  EXPECT_EQ(pool.bytes(), 450u);
  pool.LeaveRoom(0);
  pool.Give(std::move(taken.back()));
  EXPECT_EQ(pool.Take(150).size(), 150u);
  EXPECT_EQ(pool.bytes(), 450u);
}

}  // namespace
}  // namespace seamount::loader
