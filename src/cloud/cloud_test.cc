// The contract of Cloud, over the fake and, as root, over machines on this host. tests/test_vm.py covers what a machine
// can see and reach.
#include "cloud/cloud.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cloud/fake_cloud.h"
#include "cloud/local/control_group.h"
#include "cloud/local/local_cloud.h"
#include "cloud/local/network.h"
#include "cloud/local/state.h"
#include "cloud/testing/conformance.h"

namespace seamount::cloud {
namespace {

TEST(FakeCloudTest, KeepsTheContract) {
  FakeCloud cloud([](FakeCloud::Disk& disk, const RunOptions& options) {
    if (options.argv[0] == "touch") return disk[options.argv[1]] = "", 0;
    return disk.contains(options.argv[1]) ? 0 : 1;
  });
  testing::CheckCloud({.cloud = cloud,
                       .prefix = "fake",
                       .touch =
                           [](const std::string& path) {
                             return RunOptions{.argv = {"touch", path}};
                           },
                       .test =
                           [](const std::string& path) {
                             return RunOptions{.argv = {"test", path}};
                           },
                       .crash_processes = [&](const std::string& name) { cloud.Crash(name); }});
}

TEST(LocalCloudTest, KeepsTheContract) {
  if (geteuid() != 0) {
    EXPECT_EQ(local::OpenLocalCloud().error().code(), ErrorCode::kPermissionDenied);
    return;
  }
  const std::string directory = "/run/seamount/vm-test-" + std::to_string(getpid());
  const auto cloud = local::OpenLocalCloud({.state_directory = directory});
  ASSERT_TRUE(cloud) << cloud.error().message();
  testing::CheckCloud({.cloud = **cloud,
                       .prefix = "t" + std::to_string(getpid()),
                       .touch =
                           [](const std::string& path) {
                             return RunOptions{.argv = {"touch", path}};
                           },
                       .test =
                           [](const std::string& path) {
                             return RunOptions{.argv = {"test", "-e", path}};
                           },
                       .crash_processes =
                           [&](const std::string& name) {
                             const auto record = local::StateDirectory::Open(directory)->Find(name);
                             ASSERT_TRUE(record);
                             ASSERT_GT(record->init_pid, 1);
                             kill(record->init_pid, SIGKILL);
                             while (local::StateDirectory::Open(directory)->Find(name)->info.state ==
                                    MachineState::kRunning) {
                               usleep(1000);
                             }
                           }});
  std::filesystem::remove_all(directory);
}

// A tree of files like the kernel's, since which version a host has is not ours to choose.
class ControlGroupTest : public ::testing::Test {
 protected:
  ControlGroupTest() : root_(::testing::TempDir() + "groups-" + std::to_string(getpid())) {}
  ~ControlGroupTest() override { std::filesystem::remove_all(root_); }
  void Put(const std::string& path, const std::string& content) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }
  std::string Get(const std::string& path) {
    std::ifstream file(root_ / path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::filesystem::path root_;
};

TEST_F(ControlGroupTest, VersionTwoIsPreferred) {
  Put("cgroup.controllers", "cpu memory pids\n");
  Put("cgroup.subtree_control", "cpu\n");
  Put("m/memory.max", "");
  Put("m/memory.swap.max", "");
  Put("memory/memory.limit_in_bytes", "");
  const auto made = local::MakeControlGroup("m", 1 << 30, root_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(*made, root_ / "m");
  EXPECT_EQ(Get("m/memory.max"), "1073741824");
  EXPECT_EQ(Get("m/memory.swap.max"), "0");
  EXPECT_EQ(Get("cgroup.subtree_control").substr(0, 7), "+memory");
}

TEST_F(ControlGroupTest, VersionOne) {
  Put("memory/memory.limit_in_bytes", "");
  Put("memory/m/memory.limit_in_bytes", "");
  const auto made = local::MakeControlGroup("m", 1 << 30, root_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(*made, root_ / "memory/m");
  EXPECT_EQ(Get("memory/m/memory.limit_in_bytes"), "1073741824");
}

TEST_F(ControlGroupTest, WhereMemoryCannotBeLimitedItSaysSo) {
  Put("cgroup.controllers", "cpu pids\n");
  for (const std::string& root : {root_.string(), root_.string() + "/none"}) {
    const auto made = local::MakeControlGroup("m", 1 << 30, root);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::kPreconditionFailed);
    EXPECT_NE(made.error().message().find("memory cannot be limited"), std::string::npos);
  }
}

TEST(ServerAddressTest, OnlyOneThatMachinesCanReach) {
  for (const char* bad : {"", "10.83.0.1", "10.83.0.1:", "10.83.0.1:0", "10.83.0.1:99999", "host:80", "10.83.0.1:80x",
                          "127.0.0.1:80", "192.0.2.1:80"}) {
    const auto parsed = local::ParseServer(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace seamount::cloud
