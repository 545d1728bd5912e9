// What a start does to the folder it is given: nobody's files are touched, and no content is lost with its catalog.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>

#include "server/blob_store.h"
#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> FilesIn(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().lexically_relative(folder)] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  return files;
}

uint64_t CountBlobs(const std::string& folder) {
  uint64_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) count += entry.is_regular_file() ? 1 : 0;
  return count;
}

class FolderTest : public ServerTest {
 protected:
  void SetUp() override {}
  std::string served() const { return folder_.path() + "/served"; }
  void Write(const std::string& name, const std::string& content = "x") {
    fs::create_directories(fs::path(served() + "/" + name).parent_path());
    std::ofstream(served() + "/" + name) << content;
  }
  // The error of a start, which must change nothing.
  Error Refused() {
    const auto before = FilesIn(served());
    auto started = StartServer({.directory = served()});
    EXPECT_FALSE(started);
    EXPECT_EQ(FilesIn(served()), before);
    return started ? base::Internal("started") : started.error();
  }
  void Stop() { server_.reset(); }
};

TEST_F(FolderTest, RefusesAFolderWithOtherFiles) {
  Write("tmp/thesis");
  Write("blobs/model");
  const Error with_our_names = Refused();
  EXPECT_EQ(with_our_names.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(with_our_names.message().find("'blobs/model'"), std::string::npos) << with_our_names.message();
  fs::remove_all(served());
  Write("a.nc");
  EXPECT_EQ(Refused().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(served() + "/lock"));
}

TEST_F(FolderTest, RefusesAnotherProgramsDatabase) {
  fs::create_directories(served());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((served() + "/catalog.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "CREATE TABLE books (title TEXT)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_EQ(Refused().code(), ErrorCode::kInvalidArgument);
}

TEST_F(FolderTest, StartsOnWhatAnInterruptedFirstStartLeft) {
  Write("lock", "");
  Write("catalog.db", "");
  fs::create_directories(served() + "/blobs/0a");
  fs::create_directories(served() + "/lost+found");
  Start();
}

TEST_F(FolderTest, OtherFilesBesideTheCatalogStay) {
  Start();
  Stop();
  Write("tmp/thesis");
  Write("uploads/draft");
  Write("blobs/0a/model");
  Write("notes.txt");
  Start();
  const auto files = FilesIn(served());
  for (const char* name : {"tmp/thesis", "uploads/draft", "blobs/0a/model", "notes.txt"})
    EXPECT_TRUE(files.contains(name)) << name;
}

TEST_F(FolderTest, ALostCatalogDeletesNothing) {
  Start();
  MakeBucket("winds");
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Put("winds", std::to_string(i), std::string(40'000, 'x')).status, 200);
  Stop();
  ASSERT_EQ(CountBlobs(served() + "/blobs"), 10u);
  fs::copy_file(served() + "/catalog.db", folder_.path() + "/catalog.db");
  fs::remove(served() + "/catalog.db");
  EXPECT_EQ(Refused().code(), ErrorCode::kDataLoss);
  Write("catalog.db", "");  // emptied
  EXPECT_EQ(Refused().code(), ErrorCode::kDataLoss);
  fs::copy_file(folder_.path() + "/catalog.db", served() + "/catalog.db", fs::copy_options::overwrite_existing);
  Start();
  EXPECT_EQ(Get("winds", "7").body, std::string(40'000, 'x'));
}

TEST_F(FolderTest, TheCatalogFileAloneIsAWholeBackupAfterACleanEnd) {
  Start();
  MakeBucket("winds");
  ASSERT_EQ(Put("winds", "a", "content").status, 200);
  ASSERT_EQ(Get("winds", "absent").status, 404);  // opens a reader
  Stop();
  EXPECT_FALSE(fs::exists(served() + "/catalog.db-wal"));
  Start();
  EXPECT_EQ(Get("winds", "a").body, "content");
}

TEST_F(FolderTest, WhatAnOlderCatalogDoesNotKnowIsPutAsideAndComesBack) {
  Start();
  MakeBucket("winds");
  const std::string old_content(40'000, 'o');
  const std::string new_content(50'000, 'n');
  ASSERT_EQ(Put("winds", "old", old_content).status, 200);
  Stop();
  fs::copy_file(served() + "/catalog.db", folder_.path() + "/older.db");
  Start();
  ASSERT_EQ(Put("winds", "new", new_content).status, 200);
  const std::string session =
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=r", "{}").header("location");
  ASSERT_EQ(Admin("PUT", session, std::string(262'144, 'r'), {{"Content-Range", "bytes 0-262143/*"}}).status, 308);
  Stop();
  fs::copy_file(served() + "/catalog.db", folder_.path() + "/newer.db");
  fs::copy_file(folder_.path() + "/older.db", served() + "/catalog.db", fs::copy_options::overwrite_existing);
  Start();
  EXPECT_EQ(Get("winds", "old").body, old_content);
  EXPECT_EQ(Get("winds", "new").status, 404);
  EXPECT_EQ(CountBlobs(served() + "/quarantine"), 2u);
  Stop();
  fs::copy_file(folder_.path() + "/newer.db", served() + "/catalog.db", fs::copy_options::overwrite_existing);
  Start();
  EXPECT_EQ(Get("winds", "new").body, new_content);
  EXPECT_EQ(Get("winds", "old").body, old_content);
}

TEST_F(FolderTest, TheCatalogIsPrivateWhateverItsModeWas) {
  Start();
  Stop();
  ASSERT_EQ(chmod((served() + "/catalog.db").c_str(), 0644), 0);
  Start();
  MakeBucket("winds");
  for (const char* name : {"catalog.db", "catalog.db-wal", "catalog.db-shm"}) {
    struct stat info {};
    ASSERT_EQ(stat((served() + "/" + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << name;
  }
}

// The file goes between the write that found the disk full and the question for room, which then finds none to make.
TEST_F(FolderTest, RoomThatSomebodyElseMadeIsUsed) {
  auto blobs = BlobStore::Open(folder_.path());
  ASSERT_TRUE(blobs) << blobs.error().ToString();
  const base::Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  ASSERT_TRUE((*blobs)->OpenUpload("left", true));
  int asked = 0;
  (*blobs)->SetMakeRoom([&] {
    if (++asked == 1) (*blobs)->RemoveUpload("left");
    return false;
  });
  const auto written = (*blobs)->Write(full.get(), base::AsBytes("x"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(asked, 2);  // once more, after which nobody had removed anything
}

}  // namespace
}  // namespace seamount::server
