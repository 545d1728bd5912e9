#include "vfs/path_locks.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <future>

namespace seamount::vfs {
namespace {

// A lock that cannot be had: asked for with a stop that was requested already.
template <class F>
int Refused(F ask) {
  std::stop_source stop;
  stop.request_stop();
  const auto lock = ask(CallContext{.stop = stop.get_token()});
  return lock ? 0 : lock.error().error;
}

TEST(PathLocks, WhatLiesApartDoesNotWait) {
  PathLocks locks;
  const auto upload = locks.Share({"a/file"}, {}).value();
  const auto same = locks.Share({"a/file"}, {}).value();
  const auto rename = locks.Alone({"b/", "c/"}, {}).value();
  const auto other = locks.Alone({"ab/"}, {}).value();
  EXPECT_EQ(Refused([&](const auto& context) { return locks.Alone({"a/"}, context); }), EINTR);
  EXPECT_EQ(Refused([&](const auto& context) { return locks.Share({"x", "b/y"}, context); }), EINTR);
  EXPECT_EQ(Refused([&](const auto& context) { return locks.Alone({"b/d/"}, context); }), EINTR);
  EXPECT_EQ(Refused([&](const auto& context) { return locks.Share({"d/file"}, context); }), 0);
}

TEST(PathLocks, WhoWantsAFolderAloneIsSureToGetIt) {
  PathLocks locks;
  auto first = std::optional(locks.Share({"a/1"}, {}).value());
  auto alone = std::async(std::launch::async, [&] { return locks.Alone({"a/"}, {}).value(); });
  // Once it waits, nobody new is let in below.
  while (Refused([&](const auto& context) { return locks.Share({"a/2"}, context); }) == 0) {}
  first.reset();
  auto held = std::optional(alone.get());
  EXPECT_EQ(Refused([&](const auto& context) { return locks.Share({"a/2"}, context); }), EINTR);
  held.reset();
  EXPECT_EQ(Refused([&](const auto& context) { return locks.Share({"a/2"}, context); }), 0);
}

}  // namespace
}  // namespace seamount::vfs
