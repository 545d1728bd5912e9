// The contract of Cloud, over the fake and, as root, over machines on this host. tests/test_vm.py covers what a machine
// can see and reach.
#include "cloud/cloud.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "cloud/fake_cloud.h"
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
