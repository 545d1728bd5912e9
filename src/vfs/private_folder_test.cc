#include "vfs/private_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "vfs/staging.h"

namespace seamount::vfs {
namespace {

class PrivateFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/vfs_private-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  template <class T>
  static int ErrorOf(const Outcome<T>& outcome) {
    return outcome ? 0 : outcome.error().error;
  }
  std::filesystem::path root_;
};

TEST_F(PrivateFolderTest, IsMadeForTheOwnerAlone) {
  const std::string path = root_ / "a" / "b";
  ASSERT_TRUE(OpenPrivateFolder(path));
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
  std::filesystem::permissions(path, std::filesystem::perms::all);
  ASSERT_TRUE(OpenPrivateFolder(path));
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(PrivateFolderTest, ALinkIsRefusedAndItsTargetLeftAsItIs) {
  std::filesystem::create_directory(root_ / "target");
  std::filesystem::permissions(root_ / "target", std::filesystem::perms::all);
  std::filesystem::create_directory_symlink(root_ / "target", root_ / "link");
  const auto opened = OpenPrivateFolder(root_ / "link");
  ASSERT_EQ(ErrorOf(opened), EPERM);
  EXPECT_NE(opened.error().message.find("--staging-dir"), std::string::npos) << opened.error().message;
  EXPECT_EQ(std::filesystem::status(root_ / "target").permissions(), std::filesystem::perms::all);
}

TEST_F(PrivateFolderTest, AnotherUsersFolderIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "giving a folder away needs root";
  std::filesystem::create_directory(root_ / "theirs");
  ASSERT_EQ(chown((root_ / "theirs").c_str(), 12345, 12345), 0);
  EXPECT_EQ(ErrorOf(OpenPrivateFolder(root_ / "theirs")), EPERM);
  EXPECT_EQ(ErrorOf(StagingFolder(root_ / "theirs").Prepare()), EPERM);
}

TEST_F(PrivateFolderTest, ALogIsNeverWrittenThroughALink) {
  std::ofstream(root_ / "precious") << "mine";
  const auto folder = OpenPrivateFolder(root_ / "staging").value();
  std::filesystem::create_symlink(root_ / "precious", root_ / "staging" / "mount.log");
  EXPECT_EQ(ErrorOf(OpenPrivateLog(folder, "mount.log")), EPERM);
  std::filesystem::create_hard_link(root_ / "precious", root_ / "staging" / "second.log");
  EXPECT_EQ(ErrorOf(OpenPrivateLog(folder, "second.log")), EPERM);
  ASSERT_EQ(mkfifo((root_ / "staging" / "pipe.log").c_str(), 0600), 0);
  EXPECT_NE(ErrorOf(OpenPrivateLog(folder, "pipe.log")), 0);  // and no waiting for a reader
  EXPECT_EQ(std::filesystem::file_size(root_ / "precious"), 4U);
  EXPECT_TRUE(OpenPrivateLog(folder, "fresh.log"));
}

TEST_F(PrivateFolderTest, WhatIsKeptIsNotPutBehindALink) {
  StagingFolder staging(root_ / "staging");
  ASSERT_TRUE(staging.Prepare());
  std::filesystem::create_directory(root_ / "elsewhere");
  std::filesystem::create_directory_symlink(root_ / "elsewhere", root_ / "staging" / "kept");
  const base::Fd file = staging.Create().value();
  EXPECT_FALSE(staging.Keep(file, {.key = "key"}));
  EXPECT_TRUE(std::filesystem::is_empty(root_ / "elsewhere"));
}

}  // namespace
}  // namespace seamount::vfs
