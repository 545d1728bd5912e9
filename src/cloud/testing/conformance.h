// What every Cloud promises (cloud.h), as tests. A driver's test program includes this and calls CheckCloud for a fresh
// driver; `sh` is how a shell script is run there, which a fake interprets in its own way.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "cloud/cloud.h"

namespace seamount::cloud::testing {

struct CloudUnderTest {
  Cloud& cloud;
  std::string prefix;                                            // of machine names, so that runs do not collide
  std::function<RunOptions(const std::string& path)> touch;      // a command that makes a file and exits 0
  std::function<RunOptions(const std::string& path)> test;       // one that exits 0 if it exists, else 1
  std::function<void(const std::string& name)> crash_processes;  // ends the machine behind the driver's back
};

inline void CheckCloud(const CloudUnderTest& t) {
  const CallContext context;
  const std::string name = t.prefix + "-a";
  const auto find = [&]() -> std::optional<MachineInfo> {
    const auto all = t.cloud.List(context);
    EXPECT_TRUE(all);
    const auto found = std::find_if(all->begin(), all->end(), [&](const MachineInfo& m) { return m.name == name; });
    return found == all->end() ? std::nullopt : std::optional(*found);
  };

  for (const char* bad : {"", "A", "1a", "a/b", "a_b", "../x", "abcdefghijklmnopqrstuvwxyz12345"}) {
    const auto started = t.cloud.Start({.name = bad}, context);
    ASSERT_FALSE(started) << bad;
    EXPECT_EQ(started.error().code(), ErrorCode::kInvalidArgument) << bad;
    EXPECT_EQ(t.cloud.Kill(bad, context).error().code(), ErrorCode::kInvalidArgument) << bad;
  }
  for (const MachineSpec& bad :
       {MachineSpec{.name = name, .disk_bytes = 1}, MachineSpec{.name = name, .memory_bytes = 1},
        MachineSpec{.name = name, .lifetime = std::chrono::seconds(0)}}) {
    EXPECT_EQ(t.cloud.Start(bad, context).error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(t.cloud.Stop(name, context).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(t.cloud.Kill(name, context).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(t.cloud.Run(name, t.touch("/root/x"), context).error().code(), ErrorCode::kNotFound);

  const auto started = t.cloud.Start({.name = name}, context);
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_EQ(started->name, name);
  ASSERT_TRUE(find());
  EXPECT_EQ(find()->state, MachineState::kRunning);
  EXPECT_EQ(t.cloud.Start({.name = name}, context).error().code(), ErrorCode::kPreconditionFailed);
  EXPECT_EQ(t.cloud.Run(name, t.test("/root/x"), context).value_or(-1), 1);
  EXPECT_EQ(t.cloud.Run(name, t.touch("/root/x"), context).value_or(-1), 0);
  EXPECT_EQ(t.cloud.Run(name, t.test("/root/x"), context).value_or(-1), 0);
  ASSERT_TRUE(t.cloud.Kill(name, context));
  EXPECT_FALSE(find());

  // The same name again is another machine.
  ASSERT_TRUE(t.cloud.Start({.name = name}, context));
  EXPECT_EQ(t.cloud.Run(name, t.test("/root/x"), context).value_or(-1), 1);
  ASSERT_TRUE(t.cloud.Stop(name, context));
  EXPECT_FALSE(find());

  // A crash is seen, and does not block the name.
  ASSERT_TRUE(t.cloud.Start({.name = name}, context));
  t.crash_processes(name);
  ASSERT_TRUE(find());
  EXPECT_EQ(find()->state, MachineState::kDead);
  EXPECT_EQ(t.cloud.Run(name, t.test("/root/x"), context).error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(t.cloud.Start({.name = name}, context));
  EXPECT_EQ(find()->state, MachineState::kRunning);
  t.crash_processes(name);
  EXPECT_TRUE(t.cloud.Stop(name, context));
  EXPECT_FALSE(find());

  // A start that is stopped leaves nothing.
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(t.cloud.Start({.name = name}, {.stop = stopped.get_token()}).error().code(), ErrorCode::kCancelled);
  EXPECT_FALSE(find());

  // Forgotten, it ends by itself.
  const auto mortal = t.cloud.Start({.name = name, .lifetime = std::chrono::seconds(1)}, context);
  ASSERT_TRUE(mortal) << mortal.error().message();
  EXPECT_EQ(mortal->ends - mortal->started, std::chrono::seconds(1));
  while (find()->state == MachineState::kRunning) base::RealClock().SleepFor(std::chrono::milliseconds(20), {});
  EXPECT_EQ(find()->state, MachineState::kDead);
  EXPECT_LE(mortal->ends, base::RealClock().WallNow());
  EXPECT_EQ(t.cloud.Run(name, t.test("/root/x"), context).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(t.cloud.Stop(name, context));
  EXPECT_FALSE(find());
}

}  // namespace seamount::cloud::testing
