#include "store/file/file_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "base/log.h"
#include "store/file/file_names.h"
#include "store/file/file_record.h"
#include "store/file/folder_orders.h"
#include "store/testing/conformance.h"
#include "store/testing/temporary_folder.h"

namespace seamount::store {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

// A store in a folder of its own.
struct Folder {
  explicit Folder(const FileStoreOptions& options) : store(MakeFileStore(folder.path() + "/made", options)) {
    fs::create_directory(folder.path() + "/made");
  }
  TemporaryFolder folder;
  std::shared_ptr<Store> store;
};

std::shared_ptr<Store> Fresh(const FileStoreOptions& options) {
  auto folder = std::make_shared<Folder>(options);
  return {folder, folder->store.get()};
}

const int kJoined[] = {
    JoinConformance("FileStore", [] { return Fresh({.sync = false}); }, {.random_operations = 500}),
    JoinConformance("FileStoreWithSidecars", [] { return Fresh({.sync = false, .extended_attributes = false}); },
                    {.random_operations = 500}),
    JoinConformance("FileStoreSynced", [] { return Fresh({}); }, {.random_operations = 50})};

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Spit(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Every visible file: nothing that a store keeps for itself.
std::vector<std::string> Files(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string path = fs::relative(entry.path(), directory).string();
    if (entry.is_regular_file() && !path.starts_with(".seamount/locks/")) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> ListedKeys(Store& store) {
  std::vector<std::string> keys;
  const auto page = ListAll(store, {}, {});
  EXPECT_TRUE(page) << page.error().ToString();
  if (page) {
    for (const auto& object : page->objects) keys.push_back(object.key);
  }
  return keys;
}

template <class T>
std::string CodeOf(const Result<T>& result) {
  return result ? "ok" : std::string(base::ErrorCodeName(result.error().code()));
}

class FileStoreTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  void SetUp() override { fs::permissions(folder_.path(), fs::perms(0755)); }
  void Put(const std::string& key, std::string_view content) {
    const auto written = store_->Write(key, BytesSource(content), {}, {});
    ASSERT_TRUE(written) << written.error().ToString();
  }
  TemporaryFolder folder_;
  std::shared_ptr<Store> store_ = MakeFileStore(folder_.path(), {.sync = false});
};

TEST_F(FileStoreTest, OrdinaryKeysAreTheirPaths) {
  EXPECT_GT(kJoined[0], 0);
  Put("2020/wind speed.nc", "x");
  Put("100%.txt", "y");
  Put("a%20b", "z");
  EXPECT_THAT(Files(folder_.path()), ElementsAre("100%.txt", "2020/wind speed.nc", "a%20b"));
}

TEST_F(FileStoreTest, FilesOfOthersAreObjects) {
  Spit(Path("raw/levels.cdf"), "raw bytes");
  fs::create_symlink(Path("raw/levels.cdf"), Path("raw/link.cdf"));
  fs::create_directory_symlink("/", Path("root"));
  EXPECT_THAT(ListedKeys(*store_), ElementsAre("raw/levels.cdf", "raw/link.cdf"));
  EXPECT_EQ((*store_->Read("raw/levels.cdf", {}, {}))->data.view(), "raw bytes");
  EXPECT_EQ((*store_->Read("raw/link.cdf", {}, {}))->data.view(), "raw bytes");
  const auto before = store_->Stat("raw/levels.cdf", {});
  Spit(Path("raw/levels.cdf"), "changed in place");
  EXPECT_NE((*store_->Stat("raw/levels.cdf", {}))->generation, (*before)->generation);
}

TEST_F(FileStoreTest, LinksDoNotLeadOutAndAreNotSaidToBeAbsent) {
  base::SetLogLevel(base::LogLevel::kOff);
  const TemporaryFolder outside;
  Spit(outside.path() + "/secret", "not of this folder");
  fs::create_directories(outside.path() + "/chunks");
  Spit(outside.path() + "/chunks/0.0", "moved to another disk");
  Spit(Path("in/file"), "inside");
  fs::create_symlink(outside.path() + "/secret", Path("absolute"));
  fs::create_symlink("../" + outside.path().substr(outside.path().rfind('/') + 1) + "/secret", Path("relative"));
  fs::create_symlink("/etc/passwd", Path("passwd"));
  fs::create_symlink("in/file", Path("good"));
  fs::create_symlink("nowhere", Path("dangling"));
  fs::create_directory_symlink(outside.path() + "/chunks", Path("array"));
  fs::create_directory_symlink("in", Path("also in"));
  fs::create_symlink("loop", Path("loop"));
  for (const char* key : {"loop", "absolute", "relative", "passwd", "array/0.0", "also in/file", "array/none"}) {
    for (const auto& code : {CodeOf(store_->Read(key, {}, {})), CodeOf(store_->Stat(key, {}))}) {
      EXPECT_EQ(code, "PermissionDenied") << key;
    }
  }
  EXPECT_NE(store_->Read("array/0.0", {}, {}).error().message().find("symbolic link"), std::string::npos);
  EXPECT_EQ((*store_->Read("good", {}, {}))->data.view(), "inside");
  EXPECT_FALSE(store_->Stat("dangling", {})->has_value());
  EXPECT_THAT(ListedKeys(*store_), ElementsAre("good", "in/file"));
  EXPECT_FALSE(store_->Write("array/0.0", BytesSource("x"), {}, {}));
  EXPECT_EQ(Slurp(outside.path() + "/chunks/0.0"), "moved to another disk");
  base::SetLogLevel(base::LogLevel::kWarning);
}

TEST_F(FileStoreTest, MovingALinkMovesWhatItLeadsTo) {
  Put("raw/levels", "bytes");
  fs::create_symlink("levels", Path("raw/link"));
  const auto source = store_->Stat("raw/link", {});
  const auto refused = store_->Move("raw/link", "raw/levels", {.if_generation = kAbsent}, {});
  EXPECT_EQ(CodeOf(refused), "PreconditionFailed");
  EXPECT_TRUE(fs::is_symlink(Path("raw/link")));
  const auto moved = store_->Move("raw/link", "other/deep/name", {.if_source_generation = (*source)->generation}, {});
  ASSERT_TRUE(moved) << moved.error().ToString();
  EXPECT_EQ((*store_->Read("other/deep/name", {.if_generation = moved->generation}, {}))->data.view(), "bytes");
  EXPECT_EQ((*store_->Read("raw/levels", {}, {}))->data.view(), "bytes");
  EXPECT_THAT(ListedKeys(*store_), ElementsAre("other/deep/name", "raw/levels"));
}

TEST_F(FileStoreTest, MovingALinkOntoWhatItLeadsToLosesNothing) {
  Put("levels", "bytes");
  fs::create_symlink("levels", Path("link"));
  ASSERT_TRUE(store_->Move("link", "levels", {}, {}));
  EXPECT_EQ((*store_->Read("levels", {}, {}))->data.view(), "bytes");
  EXPECT_THAT(ListedKeys(*store_), ElementsAre("levels"));
}

TEST_F(FileStoreTest, MovingOneNameOfAFileOntoTheOtherLeavesOne) {
  Put("a", "bytes");
  fs::create_hard_link(Path("a"), Path("b"));
  ASSERT_TRUE(store_->Move("a", "b", {}, {}));
  EXPECT_THAT(ListedKeys(*store_), ElementsAre("b"));
  EXPECT_EQ((*store_->Read("b", {}, {}))->data.view(), "bytes");
}

TEST_F(FileStoreTest, ARecordStaysAsLongAsANameLeadsToIt) {
  const auto store = MakeFileStore(folder_.path(), {.extended_attributes = false});
  const WriteOptions options{.content_type = "image/png"};
  ASSERT_TRUE(store->Write("levels", BytesSource("bytes"), options, {}));
  fs::create_symlink("levels", Path("link"));
  fs::create_hard_link(Path("levels"), Path("second"));
  ASSERT_TRUE(*store->Delete("link", {}, {}));
  EXPECT_EQ((*store->Stat("levels", {}))->content_type, "image/png");
  ASSERT_TRUE(*store->Delete("second", {}, {}));
  EXPECT_EQ((*store->Stat("levels", {}))->content_type, "image/png");
  fs::create_symlink("levels", Path("link"));
  ASSERT_TRUE(store->Write("link", BytesSource("another"), {}, {}));
  EXPECT_EQ((*store->Stat("levels", {}))->content_type, "image/png");
}

TEST_F(FileStoreTest, AFileOfSomebodysOwnThatIsNamedLikeOursStays) {
  Spit(Path("n"), "n");
  Spit(Path("n%~"), "somebody's backup");
  EXPECT_THAT(ListedKeys(*store_), ElementsAre("n"));
  ASSERT_TRUE(store_->Delete("n", {}, {}));
  EXPECT_FALSE(store_->Stat("n", {})->has_value());
  EXPECT_EQ(Slurp(Path("n%~")), "somebody's backup");
  Put("n/x", "1");
  const auto refused = store_->Write("n", BytesSource("2"), {}, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("n%~"), std::string::npos) << refused.error().message();
  EXPECT_EQ(Slurp(Path("n%~")), "somebody's backup");
  // A file of others that has to make room for a folder is known again.
  Spit(Path("m"), "m");
  Put("m/x", "1");
  EXPECT_EQ((*store_->Read("m", {}, {}))->data.view(), "m");
  ASSERT_TRUE(store_->Delete("m", {}, {}));
  EXPECT_FALSE(store_->Stat("m", {})->has_value());
}

TEST_F(FileStoreTest, PrivateFilesSayWhoseTheyAre) {
  Spit(Path("open"), "x");
  fs::permissions(folder_.path(), fs::perms(0755));
  fs::permissions(Path("open"), fs::perms(0644));
  Spit(Path("closed"), "x");
  fs::permissions(Path("closed"), fs::perms(0640));
  Spit(Path("d/e/inside"), "x");
  fs::permissions(Path("d/e/inside"), fs::perms(0644));
  fs::permissions(Path("d"), fs::perms(0700));
  EXPECT_TRUE((*store_->Stat("open", {}))->metadata.empty());
  EXPECT_EQ((*store_->Stat("closed", {}))->metadata.at("goog-reserved-posix-mode"), "600");
  EXPECT_EQ((*store_->Stat("d/e/inside", {}))->metadata.at("goog-reserved-posix-mode"), "600");
  EXPECT_EQ((*store_->Stat("closed", {}))->metadata.at("goog-reserved-posix-uid"), std::to_string(getuid()));
}

// As another user, in a process of its own: root may read everything.
TEST_F(FileStoreTest, WhatMayNotBeReadHidesNothingElse) {
  for (const char* key : {"a", "closed", "d/x", "shut/x", "z"}) Spit(Path(key), key);
  fs::permissions(folder_.path(), fs::perms(0755));
  fs::permissions(Path("d"), fs::perms(0755));
  fs::permissions(Path("closed"), fs::perms::none);
  fs::permissions(Path("shut"), fs::perms::none);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    base::SetLogLevel(base::LogLevel::kOff);
    if (getuid() == 0 && setuid(65534) != 0) _exit(1);
    const auto store = MakeFileStore(folder_.path(), {.sync = false});
    const auto all = ListAll(*store, {}, {});
    const auto top = ListAll(*store, {.delimiter = "/"}, {});
    if (!all || all->objects.size() != 4) _exit(2);
    if (!top || top->prefixes != std::vector<std::string>{"d/", "shut/"}) _exit(3);
    if (CodeOf(store->Read("closed", {}, {})) != "PermissionDenied") _exit(4);
    if (CodeOf(store->List({.prefix = "shut/"}, {})) != "PermissionDenied") _exit(5);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  fs::permissions(Path("shut"), fs::perms(0755));
}

// Pages of a large folder stand on what was read for the first; a change in between shows all the same.
TEST_F(FileStoreTest, ALargeFolderIsReadOnceAndChangesShow) {
  fs::create_directories(Path("many"));
  for (int i = 0; i < 1500; ++i) std::ofstream(Path("many/" + std::to_string(10'000 + i)));
  const auto old = timespec{.tv_sec = time(nullptr) - 10, .tv_nsec = 0};
  const timespec times[2] = {old, old};
  ListOptions options{.prefix = "many/", .delimiter = "/", .max_results = 400};
  std::set<std::string> seen;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const auto page = store_->List(options, {});
    ASSERT_TRUE(page) << page.error().ToString();
    for (const auto& object : page->objects) EXPECT_TRUE(seen.insert(object.key).second) << object.key;
    if (pages == 0) Put("many/99999", "last");
    if (pages == 1) {
      ASSERT_TRUE(store_->Delete("many/11499", {}, {}));
    }
    if (pages == 2) {
      ASSERT_EQ(utimensat(AT_FDCWD, Path("many").c_str(), times, 0), 0);
    }
    options.page_token = page->next_page_token;
    more = !options.page_token.empty();
  }
  EXPECT_EQ(seen.size(), 1500u);
  EXPECT_TRUE(seen.contains("many/99999"));
  EXPECT_FALSE(seen.contains("many/11499"));

  FolderOrders orders;
  const auto names = std::make_shared<const std::vector<NamedEntry>>(2000);
  const FolderStamp stamp{.inode = 1, .mtime_ns = 2, .ctime_ns = 3, .settled = true};
  orders.Keep("d", stamp, names);
  EXPECT_EQ(orders.Find("d", stamp), names);
  EXPECT_EQ(orders.Find("d", {.inode = 1, .mtime_ns = 2, .ctime_ns = 4}), nullptr);
  orders.Keep("young", {.inode = 1, .mtime_ns = 2, .ctime_ns = 3}, names);
  EXPECT_EQ(orders.Find("young", stamp), nullptr) << "the next change might not show";
}

TEST_F(FileStoreTest, RecordsOfChangedFilesAreVoid) {
  ASSERT_TRUE(store_->Write("k", BytesSource("x"), {.metadata = {{"a", "1"}}}, {}));
  EXPECT_EQ((*store_->Stat("k", {}))->metadata.size(), 1u);
  Spit(Path("k"), "y");
  EXPECT_TRUE((*store_->Stat("k", {}))->metadata.empty());
  EXPECT_EQ((*store_->Read("k", {}, {}))->data.view(), "y");
}

TEST_F(FileStoreTest, RottenBytesAreDataLoss) {
  Put("k", "content");
  const auto time = fs::last_write_time(Path("k"));
  Spit(Path("k"), "c0ntent");
  fs::last_write_time(Path("k"), time);
  const auto read = store_->Read("k", {}, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss);
}

TEST_F(FileStoreTest, GenerationsSurviveReopening) {
  Put("k", "x");
  const auto before = store_->Stat("k", {});
  EXPECT_EQ((*MakeFileStore(folder_.path())->Stat("k", {}))->generation, (*before)->generation);
}

TEST_F(FileStoreTest, AFolderThatIsNotThere) {
  const auto store = MakeFileStore(Path("not/there"));
  const auto read = store->Read("k", {}, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(read.error().message().find("not/there"), std::string::npos);
  EXPECT_FALSE(store->List({}, {}));
  EXPECT_FALSE(fs::exists(Path("not")));
  EXPECT_TRUE(store->Write("k", BytesSource("x"), {}, {}));
  EXPECT_EQ(Slurp(Path("not/there/k")), "x");
}

TEST_F(FileStoreTest, NothingIsLeftOfWhatDidNotFit) {
  Put("k", "old");
  // A limit on file sizes stands in for a full disk: write(2) fails half-way just so (EFBIG).
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small = {1 << 20, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = store_->Write("k", BytesSource(std::string(3 << 20, 'x')), {}, {});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ((*store_->Read("k", {}, {}))->data.view(), "old");
  EXPECT_THAT(Files(folder_.path()), ElementsAre("k"));
}

TEST_F(FileStoreTest, WhatKilledWritersLeftGoes) {
  Put("k", "x");
  Spit(Path(".seamount/tmp/1-2-3"), "half");
  Spit(Path(".seamount/tmp/4-5-6"), "being written");
  fs::last_write_time(Path(".seamount/tmp/1-2-3"), fs::file_time_type::clock::now() - std::chrono::hours(48));
  const auto store = MakeFileStore(folder_.path(), {.sync = false});
  ASSERT_TRUE(store->Write("k", BytesSource("y"), {}, {}));
  EXPECT_THAT(Files(folder_.path()), ElementsAre(".seamount/tmp/4-5-6", "k"));
  EXPECT_THAT(ListedKeys(*store), ElementsAre("k"));
}

TEST_F(FileStoreTest, ConditionsHoldAcrossProcesses) {
  constexpr int kProcesses = 4;
  constexpr int kEach = 20;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto store = MakeFileStore(folder_.path(), {.sync = false});
      for (int done = 0; done < kEach;) {
        const auto now = store->Read("counter", {}, {});
        if (!now) _exit(1);
        const std::string old = *now ? std::string((*now)->data.view()) : "";
        const auto written = store->Write("counter", BytesSource(old + "x"),
                                          {.if_generation = *now ? (*now)->info.generation : kAbsent}, {});
        if (written) ++done;
        if (!written && written.error().code() != ErrorCode::kPreconditionFailed) _exit(2);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(Slurp(Path("counter")).size(), static_cast<size_t>(kProcesses * kEach));
}

TEST(FileNamesTest, StayInsideAndComeBack) {
  EXPECT_EQ(PathOfKey("a/b.nc"), "a/b.nc");
  EXPECT_EQ(PathOfKey("../../etc/passwd"), "%2E%2E/%2E%2E/etc/passwd");
  EXPECT_EQ(PathOfKey("/etc"), "%00/etc");
  EXPECT_EQ(PathOfKey("a//b/"), "a/%00/b/%00");
  EXPECT_EQ(PathOfKey(".seamount/tmp/x"), "%2Eseamount/tmp/x");
  EXPECT_EQ(PathOfKey("%2E"), "%252E");
  EXPECT_EQ(PathOfKey("x%~"), "x%25~");
  EXPECT_EQ(PathOfKey("50%25"), "50%2525");
  const uint64_t seed = TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string segment(random() % 100 == 0 ? 250 + random() % 700 : random() % 8, '\0');
    for (char& c : segment) c = "%25E0+-~.a"[random() % 10];
    const std::string path = PathOfKey(segment);
    std::optional<FileName> name = FileName{};
    std::string_view rest = path;
    while (!rest.empty() && name) {
      const size_t slash = std::min(rest.find('/'), rest.size());
      ASSERT_LE(slash, 253u);
      const bool folder = slash < rest.size();
      const std::string_view part = rest.substr(0, slash);
      ASSERT_TRUE(part != "." && part != ".." && !part.empty()) << segment;
      name = ReadFileName(part, folder, name->text);
      rest.remove_prefix(std::min(slash + 1, rest.size()));
    }
    ASSERT_TRUE(name) << segment;
    ASSERT_EQ(name->text, segment) << path;
  }
}

TEST(FileRecordTest, ComesBackAndOtherTextIsNone) {
  const FileRecord record{.size_bytes = 5,
                          .mtime_ns = -7,
                          .crc32c = 0xFFFFFFFF,
                          .content_type = "text/plain; charset=utf-8",
                          .metadata = {{"a b", "c\nd"}, {"", ""}}};
  const auto back = DecodeFileRecord(EncodeFileRecord(record));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->metadata, record.metadata);
  EXPECT_EQ(back->mtime_ns, record.mtime_ns);
  EXPECT_EQ(back->content_type, record.content_type);
  EXPECT_FALSE(DecodeFileRecord(""));
  EXPECT_FALSE(DecodeFileRecord("seamount object 1\nsize x\n\n\n"));
}

}  // namespace
}  // namespace seamount::store
