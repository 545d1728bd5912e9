// A shared folder as a client sees it, and what becomes of reads while its files change.
#include "server/share.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <set>

#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

class ShareTest : public ServerTest {
 protected:
  void SetUp() override {
    Write("2026/jan.nc", "januar");
    Write("readme", "winds");
    Share("winds");
    Start();
  }
  std::string data() const { return folder_.path() + "/data"; }
  void Write(const std::string& name, const std::string& content) {
    fs::create_directories(fs::path(data() + "/" + name).parent_path());
    std::ofstream(data() + "/" + name, std::ios::binary) << content;
  }
  void Share(const std::string& bucket) { options_.shares.push_back({bucket, data()}); }
  void Restart() {
    const uint16_t port = server_->port();  // which keys name
    server_.reset();
    Start(port);
  }
  Json Stat(const std::string& name) {
    return Admin("GET", "/storage/v1/b/winds/o/" + base::PercentEncode(name)).json();
  }
  Error Refused(std::vector<SharedFolder> shares, const std::string& directory = "/elsewhere") {
    auto started = StartServer({.directory = folder_.path() + directory, .shares = std::move(shares)});
    EXPECT_FALSE(started);
    return started ? base::Internal("started") : started.error();
  }
};

TEST_F(ShareTest, ServesFilesAsTheyAre) {
  const Json buckets = Admin("GET", "/storage/v1/b?project=p").json();
  ASSERT_EQ(buckets["items"].size(), 1u);
  EXPECT_EQ(buckets["items"][0]["name"], "winds");
  const Json listing = Admin("GET", "/storage/v1/b/winds/o?delimiter=/").json();
  EXPECT_EQ(listing["prefixes"], Json::array({"2026/"}));
  EXPECT_EQ(listing["items"][0]["name"], "readme");
  const Answer got = Get("winds", "2026/jan.nc");
  EXPECT_EQ(got.body, "januar");
  EXPECT_EQ(got.header("x-goog-generation"), Stat("2026/jan.nc")["generation"]);
  EXPECT_EQ(Get("winds", "2026/jan.nc", {{"Range", "bytes=2-3"}}).body, "nu");
  EXPECT_EQ(Get("winds", "2026/jan.nc", {{"Range", "bytes=-2"}}).body, "ar");
  EXPECT_EQ(Get("winds", "2026").status, 404);
  EXPECT_EQ(Get("winds", "2026/").status, 404);
  EXPECT_NE(Admin("GET", "/winds?prefix=2026/").body.find("<Key>2026/jan.nc</Key>"), std::string::npos);
  EXPECT_EQ(Admin("GET", "/winds/readme").body, "winds");
  EXPECT_EQ(Admin("HEAD", "/winds/readme").header("content-length"), "5");
  Write("new", "");
  EXPECT_EQ(Get("winds", "new").header("x-goog-hash"), "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==");
}

TEST_F(ShareTest, KnowsChecksumsOnceAFileWasReadWhole) {
  const std::string content(700'000, 'x');
  Write("large", content);
  EXPECT_FALSE(Stat("large").contains("crc32c"));
  Get("winds", "large", {{"Range", "bytes=0-699998"}});
  Get("winds", "large", {{"Range", "bytes=300000-"}});
  EXPECT_FALSE(Stat("large").contains("crc32c"));
  EXPECT_EQ(Get("winds", "large").body, content);
  const std::string crc32c = base::Crc32cToBase64(base::Crc32c(base::AsBytes(content)));
  EXPECT_EQ(Stat("large")["crc32c"], crc32c);
  Restart();
  EXPECT_EQ(Stat("large")["crc32c"], crc32c);
  EXPECT_FALSE(Stat("large")["md5Hash"].get<std::string>().empty());
  Write("large", content + "y");
  EXPECT_FALSE(Stat("large").contains("crc32c"));
}

TEST_F(ShareTest, AChangeIsANewGeneration) {
  std::set<std::string> generations = {Stat("readme")["generation"].get<std::string>()};
  const auto is_new = [&] { return generations.insert(Stat("readme")["generation"].get<std::string>()).second; };
  EXPECT_FALSE(is_new());
  Write("readme", "winds, more");
  EXPECT_TRUE(is_new());
  Write("other", "winds, else");
  fs::rename(data() + "/other", data() + "/readme");
  EXPECT_TRUE(is_new());
  const timespec past[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
  utimensat(AT_FDCWD, (data() + "/readme").c_str(), past, 0);
  EXPECT_TRUE(is_new());
  EXPECT_EQ(Stat("readme")["updated"].get<std::string>().substr(0, 19), "2017-07-14T02:40:00");
  const std::string now = Stat("readme")["generation"];
  EXPECT_EQ(Admin("GET", "/storage/v1/b/winds/o/readme?alt=media&generation=" + now).status, 200);
  generations.erase(now);
  for (const std::string& old : generations)
    EXPECT_EQ(Admin("GET", "/storage/v1/b/winds/o/readme?alt=media&generation=" + old).status, 404);
}

TEST_F(ShareTest, AReadNeverMixesTwoContents) {
  const auto open = [&](server::Share& share) {
    Write("growing", std::string(1 << 20, 'a'));
    // Long ago: a change of the same size within one tick of the clock is not seen on kernels with coarse times.
    const timespec past[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
    utimensat(AT_FDCWD, (data() + "/growing").c_str(), past, 0);
    const auto row = share.Find("growing");
    EXPECT_TRUE(row && *row);
    auto content = share.Open(**row);
    EXPECT_TRUE(content && *content);
    return **std::move(content);
  };
  auto folder = ShareFolder::Open("winds", data());
  ASSERT_TRUE(folder);
  server::Share share(*std::move(folder), ShareSums::Open(folder_.path() + "/sums.db"));
  const std::vector<std::function<void()>> changes = {
      [&] { Write("growing", std::string(1 << 20, 'b')); },
      [&] { std::ofstream(data() + "/growing", std::ios::app) << "more"; },
      [&] { ASSERT_EQ(truncate((data() + "/growing").c_str(), 1000), 0); },
  };
  for (const auto& change : changes) {
    const Content content = open(share);
    ASSERT_TRUE(content.next(0, content.size));
    change();
    uint64_t read = 0;
    const auto all = ReadAll(content, [&](std::span<const std::byte> data) -> Result<void> {
      for (const std::byte byte : data) EXPECT_EQ(byte, std::byte{'a'});
      read += data.size();
      return {};
    });
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().code(), ErrorCode::kUnavailable);
    EXPECT_LT(read, content.size);
  }
  // A file that was replaced under its name is read to its end: it is still what it was.
  const Content content = open(share);
  Write("replacement", std::string(1 << 20, 'b'));
  fs::rename(data() + "/replacement", data() + "/growing");
  const auto all = ReadAll(content, [](std::span<const std::byte> data) -> Result<void> {
    for (const std::byte byte : data) EXPECT_EQ(byte, std::byte{'a'});
    return {};
  });
  // The rename changed its ctime, where it was seen.
  EXPECT_TRUE(all || all.error().code() == ErrorCode::kUnavailable) << all.error().ToString();
}

TEST_F(ShareTest, NothingIsReachedThroughALinkThatAppearsMeanwhile) {
  fs::create_directories(folder_.path() + "/outside");
  std::ofstream(folder_.path() + "/outside/file") << "secret";
  Write("swapped/file", "shared");
  fs::create_symlink("../outside", data() + "/link");
  auto folder = ShareFolder::Open("winds", data());
  ASSERT_TRUE(folder);
  server::Share share(*std::move(folder), ShareSums::Open(folder_.path() + "/sums.db"));
  std::atomic<bool> done = false;
  std::thread swapper([&] {
    while (!done)
      renameat2(AT_FDCWD, (data() + "/swapped").c_str(), AT_FDCWD, (data() + "/link").c_str(), RENAME_EXCHANGE);
  });
  int there = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto row = share.Find("swapped/file");
    ASSERT_TRUE(row) << row.error().ToString();
    if (!*row) continue;
    const auto content = share.Open(**row);
    ASSERT_TRUE(content) << content.error().ToString();
    if (!*content) continue;
    const auto part = (*content)->next(0, 6);
    ASSERT_TRUE(part);
    ASSERT_EQ(part->bytes.view(), "shared");
    ++there;
    const auto listing = share.List({});
    ASSERT_TRUE(listing);
    for (const ObjectRow& object : listing->objects)
      ASSERT_TRUE(object.name.ends_with("/file") || object.name == "readme" || object.name == "2026/jan.nc");
  }
  done = true;
  swapper.join();
  EXPECT_GT(there, 0);
}

TEST_F(ShareTest, OpensNoSpecialFileAndNoneThatItMayNotRead) {
  ASSERT_EQ(mkfifo((data() + "/fifo").c_str(), 0600), 0);
  fs::create_symlink("fifo", data() + "/to-fifo");
  EXPECT_EQ(Get("winds", "fifo").status, 404);
  EXPECT_EQ(Get("winds", "to-fifo").status, 404);
  EXPECT_EQ(Admin("GET", "/storage/v1/b/winds/o").json()["items"].size(), 2u);

  Write("private", "x");
  ASSERT_EQ(chmod((data() + "/private").c_str(), 0), 0);
  auto folder = ShareFolder::Open("winds", data());
  ASSERT_TRUE(folder);
  server::Share share(*std::move(folder), ShareSums::Open(folder_.path() + "/sums.db"));
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  const int own = setfsuid(65534);  // of this thread; root may read everything
  const auto found = share.Find("private");
  const auto listing = share.List({});
  setfsuid(static_cast<uid_t>(own));
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_FALSE(*found);
  ASSERT_TRUE(listing) << listing.error().ToString();
  EXPECT_EQ(listing->objects.size(), 2u);
}

TEST_F(ShareTest, RefusesEveryWrite) {
  MakeBucket("stored");
  Put("stored", "x", "x");
  const auto tree = [&] {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(data())) names.insert(entry.path());
    return names;
  };
  const auto before = tree();
  const std::string compose = Json{{"sourceObjects", {{{"name", "readme"}}}}}.dump();
  const std::string o = "/storage/v1/b/winds/o/";
  const std::vector<Answer> answers = {
      Put("winds", "new", "x"),
      Put("winds", "readme", "x"),
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=new", "{}"),
      Admin("POST", o + "new/compose", compose),
      Admin("POST", "/storage/v1/b/stored/o/x/rewriteTo/b/winds/o/new", "{}"),
      Admin("POST", "/storage/v1/b/stored/o/x/copyTo/b/winds/o/new", "{}"),
      Admin("POST", o + "readme/moveTo/o/new", ""),
      Admin("PATCH", o + "readme", R"({"contentType": "text/plain"})"),
      Admin("PUT", o + "readme", R"({"contentType": "text/plain"})"),
      Admin("DELETE", o + "readme"),
      Admin("DELETE", "/storage/v1/b/winds"),
      Admin("PUT", "/winds/new", "x"),
      Admin("PUT", "/winds/new", "", {{"x-goog-copy-source", "stored/x"}}),
      Admin("POST", "/winds/new?uploads", ""),
      Admin("DELETE", "/winds/readme"),
  };
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].status, 403) << i << answers[i].body;
    EXPECT_NE(answers[i].body.find("read-only"), std::string::npos) << i << answers[i].body;
  }
  EXPECT_EQ(tree(), before);
  EXPECT_EQ(Get("winds", "readme").body, "winds");
  // Out of it everything is copied.
  EXPECT_EQ(Admin("POST", o + "readme/rewriteTo/b/stored/o/copy", "{}").status, 200);
  EXPECT_EQ(Get("stored", "copy").body, "winds");
  EXPECT_EQ(Admin("PUT", "/stored/copy-2", "", {{"x-goog-copy-source", "winds/2026/jan.nc"}}).status, 200);
  EXPECT_EQ(Get("stored", "copy-2").body, "januar");
}

TEST_F(ShareTest, RightsAreAsOfOtherBuckets) {
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", "").status, 401);
  const std::string none = TokenOf(MakeAccount("stranger", "winds", ""));
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", none).status, 403);
  const std::string reader = TokenOf(MakeAccount("reader", "winds", "roles/storage.objectViewer"));
  EXPECT_EQ(Send("GET", "/winds/readme", reader).body, "winds");
  const std::string writer = TokenOf(MakeAccount("writer", "winds", "roles/storage.objectAdmin"));
  EXPECT_EQ(Send("PUT", "/winds/new", writer, "x").status, 403);
  Restart();
  EXPECT_EQ(Send("GET", "/winds/readme", TokenOf(folder_.path() + "/reader.json")).body, "winds");
  // One that is not shared now is nobody's to read, and can be forgotten with its rights.
  options_.shares.clear();
  Restart();
  EXPECT_EQ(Get("winds", "readme").status, 404);
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/winds").status, 204);
}

TEST_F(ShareTest, RefusesWhatCannotBeShared) {
  const auto names = [&](const Error& error, const std::string& text) {
    EXPECT_NE(error.message().find(text), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("winds"), std::string::npos) << error.message();
  };
  names(Refused({{"winds", folder_.path() + "/absent"}}), "/absent");
  names(Refused({{"winds", data() + "/readme"}}), "/readme");
  names(Refused({{"winds!", data()}}), "bucket name");
  names(Refused({{"winds", data()}, {"winds", data()}}), "two folders");
  names(Refused({{"winds", folder_.path()}}), "own folder");
  names(Refused({{"winds", folder_.path() + "/data"}}, "/data/lab/new"), "own folder");
  names(Refused({{"winds", "/"}}), "own folder");
  EXPECT_FALSE(fs::exists(folder_.path() + "/elsewhere"));
  EXPECT_FALSE(fs::exists(data() + "/lab"));
  MakeBucket("stored");
  server_.reset();
  const Error taken = Refused({{"stored", data()}}, "/served");
  EXPECT_EQ(taken.code(), ErrorCode::kPreconditionFailed);
  EXPECT_NE(taken.message().find("stores a bucket of that name"), std::string::npos) << taken.message();
  names(Refused({{"winds", folder_.path() + "/served/blobs"}}, "/served"), "own folder");
}

TEST_F(ShareTest, SaysThatItsFolderIsGone) {
  fs::rename(data(), folder_.path() + "/moved");
  EXPECT_EQ(Get("winds", "readme").body, "winds");
  fs::remove_all(folder_.path() + "/moved");
  for (const char* path : {"/storage/v1/b/winds/o", "/storage/v1/b/winds/o/readme"}) {
    const Answer answer = Admin("GET", path);
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_NE(answer.body.find("was removed"), std::string::npos) << answer.body;
  }
}

}  // namespace
}  // namespace seamount::server
