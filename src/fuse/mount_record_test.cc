#include "fuse/mount_record.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "store/testing/temporary_folder.h"

namespace seamount::fuse {
namespace {

namespace fs = std::filesystem;

// Root's records are in /run; what XDG_RUNTIME_DIR says counts in a process that is not root's.
class MountRecordTest : public ::testing::Test {
 protected:
  // In a child, which gives up root where it has it.
  static int AsNobody(const std::function<bool()>& body) {
    const pid_t child = fork();
    if (child == 0) _exit((geteuid() != 0 || setuid(65534) == 0) && body() ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    return status;
  }
  void SetUp() override {
    ASSERT_EQ(chmod(folder_.path().c_str(), 0777), 0);
    setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
  }
  const store::TemporaryFolder folder_;
};

TEST_F(MountRecordTest, IsMadeInAFolderOfOnesOwn) {
  EXPECT_EQ(AsNobody([] {
              auto record = MountRecord::Create("/mnt/a");
              if (!record) return false;
              (*record)->Fail("three files are lost");
              record->reset();
              return WaitForMountEnd("/mnt/a") == "three files are lost" && !WaitForMountEnd("/mnt/a");
            }),
            0);
}

TEST_F(MountRecordTest, ALinkThatAnotherUserPlantedIsNotFollowed) {
  fs::create_directory(folder_.path() + "/victim");
  fs::permissions(folder_.path() + "/victim", fs::perms::all);
  fs::create_directory_symlink("victim", folder_.path() + "/seamount");
  EXPECT_EQ(AsNobody([] { return !MountRecord::Create("/mnt/a"); }), 0);
  EXPECT_TRUE(fs::is_empty(folder_.path() + "/victim"));
  struct stat info {};
  ASSERT_EQ(stat((folder_.path() + "/victim").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0777U);
}

TEST_F(MountRecordTest, AFileWithASecondNameIsNotEmptied) {
  const std::string precious = folder_.path() + "/precious", own = folder_.path() + "/seamount";
  EXPECT_EQ(AsNobody([&] {
              auto record = MountRecord::Create("/mnt/a");
              if (!record) return false;
              std::ofstream(precious) << "not to be lost";
              const std::string name = fs::directory_iterator(own)->path();
              fs::remove(name);
              fs::create_hard_link(precious, name);
              return !MountRecord::Create("/mnt/a") && fs::file_size(precious) == 14;
            }),
            0);
}

}  // namespace
}  // namespace seamount::fuse
