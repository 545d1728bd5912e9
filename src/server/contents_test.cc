// Contents: checked when they are read, shared when they are composed or copied, deleted when nobody names them.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "server/blob_store.h"
#include "server/block_sums.h"
#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string Pattern(size_t size, char seed = 'a') {
  std::string text(size, seed);
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(seed + i * 7 % 251);
  return text;
}

class ContentsTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    MakeBucket("winds");
  }
  std::string served() const { return folder_.path() + "/served"; }
  std::vector<fs::path> Blobs() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(served() + "/blobs"))
      if (entry.is_regular_file()) files.push_back(entry.path());
    return files;
  }
  // The collector works in the background.
  void WaitForBlobs(size_t count) {
    for (int i = 0; i < 3000 && Blobs().size() != count; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(Blobs().size(), count);
  }
  Answer Compose(const std::string& to, const std::vector<std::string>& from) {
    Json request = {{"sourceObjects", Json::array()}};
    for (const std::string& name : from) request["sourceObjects"].push_back({{"name", name}});
    return Admin("POST", "/storage/v1/b/winds/o/" + to + "/compose", request.dump());
  }
  // On the catalog, while no server runs.
  void Execute(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((served() + "/catalog.db").c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    sqlite3_exec(db, sql, nullptr, nullptr, &error);
    ASSERT_EQ(error, nullptr) << error;
    sqlite3_close(db);
  }
  static void Flip(const fs::path& file, uint64_t at) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const auto byte = static_cast<char>(stream.get() ^ 1);
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(byte);
  }
};

TEST(BlockSums, SealsAndFindsEveryFlippedBit) {
  TemporaryFolder folder;
  const std::string path = folder.path() + "/content";
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65'535}, size_t{65'536}, size_t{200'001}}) {
    const std::string content = Pattern(size);
    BlockSums sums;
    for (size_t at = 0; at < size; at += 1000) sums.Add(base::AsBytes(content.substr(at, 1000)));
    EXPECT_EQ(sums.crc32c(), base::Crc32c(base::AsBytes(content)));
    const auto seal = sums.Seal();
    std::string file = content + std::string(reinterpret_cast<const char*>(seal.data()), seal.size());
    ASSERT_EQ(file.size(), size + SealBytes(size));
    const auto check = [&](uint64_t begin, uint64_t end) -> Result<void> {
      std::ofstream(path, std::ios::binary) << file;
      const base::Fd fd(open(path.c_str(), O_RDONLY));
      SEAMOUNT_TRY_ASSIGN(const auto opened, SealedFile::Open(fd.get(), size, "it"));
      EXPECT_TRUE(opened.sealed());
      return opened.Check(begin, end);
    };
    EXPECT_TRUE(check(0, size));
    for (const size_t at : {size_t{0}, size / 2, size, size + 4 * (size / 65'536), file.size() - 32, file.size() - 1}) {
      file[at] = static_cast<char>(file[at] ^ 0x10);
      EXPECT_EQ(check(0, size).has_value(), size == 0 && at < file.size() - 32) << size << " " << at;
      file[at] = static_cast<char>(file[at] ^ 0x10);
    }
    file[file.size() - 20] = static_cast<char>(file[file.size() - 20] ^ 1);
    EXPECT_FALSE(check(0, size));
  }
}

TEST_F(ContentsTest, DamageIsToldAndOnlyWhereItIs) {
  const std::string content = Pattern(3 << 20);
  ASSERT_EQ(Put("winds", "x", content).status, 200);
  ASSERT_EQ(Blobs().size(), 1u);
  Flip(Blobs()[0], 2'000'000);
  EXPECT_EQ(Get("winds", "x", {{"Range", "bytes=0-999999"}}).body, content.substr(0, 1'000'000));
  const Answer range = Get("winds", "x", {{"Range", "bytes=1999990-2000010"}});
  EXPECT_EQ(range.status, 422);
  EXPECT_NE(range.body.find("winds/x"), std::string::npos) << range.body;
  EXPECT_EQ(Admin("GET", "/winds/x", {}, {{"Range", "bytes=1999990-"}}).status, 422);
  // Of the whole, what comes before the damage was sent when it is found: the answer breaks off.
  auto whole = http_->Send({.url = server_->endpoint() + "/winds/x", .headers = {}}, {});
  EXPECT_TRUE(!whole || whole->status == 401);
  net::HttpRequest request{.url = server_->endpoint() + "/winds/x"};
  request.headers.Add("Authorization", "Bearer " + admin_);
  EXPECT_FALSE(http_->Send(request, {}));
}

// A length at which the sum of what a file holds wraps around to the file's own.
TEST(BlockSums, ASealOfALengthThatNoFileHasIsDamage) {
  TemporaryFolder folder;
  constexpr uint64_t kFileBytes = 132;
  uint64_t length = uint64_t{0} - (uint64_t{1} << 50);
  for (int i = 0; i < 100 && length + SealBytes(length) != kFileBytes; ++i) length = kFileBytes - SealBytes(length);
  ASSERT_EQ(length + SealBytes(length), kFileBytes);
  std::vector<std::byte> seal = BlockSums().Seal();
  std::memcpy(seal.data() + 8, &length, sizeof length);
  const uint32_t crc32c = base::Crc32c(std::span(seal).first(28));
  std::memcpy(seal.data() + 28, &crc32c, sizeof crc32c);
  const std::string path = folder.path() + "/content";
  std::ofstream(path) << std::string(kFileBytes - seal.size(), 'x')
                      << std::string_view(reinterpret_cast<const char*>(seal.data()), seal.size());
  const base::Fd fd(open(path.c_str(), O_RDONLY));
  const auto opened = SealedFile::OpenBySeal(fd.get(), "content");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kDataLoss);
}

TEST_F(ContentsTest, CutOrAbsentContentsAreToldBeforeAnythingIsSent) {
  ASSERT_EQ(Put("winds", "x", Pattern(1'000'000)).status, 200);
  const fs::path blob = Blobs()[0];
  fs::resize_file(blob, 10);
  EXPECT_EQ(Get("winds", "x").status, 422);
  EXPECT_EQ(Compose("y", {"x", "x"}).status, 422);
  EXPECT_EQ(Admin("POST", "/storage/v1/b/winds/o/x/rewriteTo/b/winds/o/z", "{}").status, 422);
  fs::remove(blob);
  EXPECT_EQ(Get("winds", "x").status, 422);
  EXPECT_EQ(Compose("y", {"x", "x"}).status, 422);
  EXPECT_EQ(Admin("POST", "/storage/v1/b/winds/o/x/rewriteTo/b/winds/o/z", "{}").status, 422);
  EXPECT_EQ(Admin("POST", "/storage/v1/b/winds/o/x/moveTo/o/z").status, 422);
  for (const char* name : {"y", "z"}) EXPECT_EQ(Get("winds", name).status, 404);
  EXPECT_EQ(Admin("DELETE", "/storage/v1/b/winds/o/x").status, 204);
}

TEST_F(ContentsTest, SmallContentsAreInTheCatalog) {
  const std::string small = Pattern(32 << 10);
  ASSERT_EQ(Put("winds", "small", small).status, 200);
  ASSERT_EQ(Put("winds", "empty", "").status, 200);
  EXPECT_EQ(Blobs().size(), 0u);
  EXPECT_EQ(Get("winds", "small", {{"Range", "bytes=5-9"}}).body, small.substr(5, 5));
  EXPECT_EQ(Get("winds", "empty").body, "");
  ASSERT_EQ(Compose("both", {"small", "empty", "small"}).status, 200);
  EXPECT_EQ(Get("winds", "both").body, small + small);
  EXPECT_EQ(Blobs().size(), 1u);
  ASSERT_EQ(Admin("POST", "/storage/v1/b/winds/o/small/rewriteTo/b/winds/o/copy", "{}").status, 200);
  ASSERT_EQ(Admin("DELETE", "/storage/v1/b/winds/o/small").status, 204);
  EXPECT_EQ(Get("winds", "copy").body, small);
}

// A large object is not copied when something is appended to it.
TEST_F(ContentsTest, AppendingNamesTheBlobsAgain) {
  std::string expected = Pattern(5 << 20);
  ASSERT_EQ(Put("winds", "log", expected).status, 200);
  const fs::path first = Blobs()[0];
  const auto inode = [](const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0);
    return info.st_ino;
  };
  const auto before = inode(first);
  for (int i = 0; i < 5; ++i) {
    const std::string more = Pattern(50'000 + static_cast<size_t>(i), static_cast<char>('b' + i));
    ASSERT_EQ(Put("winds", "more", more).status, 200);
    const Answer composed = Compose("log", {"log", "more"});
    ASSERT_EQ(composed.status, 200) << composed.body;
    expected += more;
    EXPECT_EQ(composed.json()["crc32c"], base::Crc32cToBase64(base::Crc32c(base::AsBytes(expected))));
  }
  EXPECT_EQ(Get("winds", "log").body, expected);
  EXPECT_EQ(Get("winds", "log", {{"Range", "bytes=5242870-5242890"}}).body, expected.substr(5'242'870, 21));
  EXPECT_EQ(inode(first), before);
  WaitForBlobs(3);  // the first, the appended ones merged, and "more"
  ASSERT_EQ(Admin("POST", "/storage/v1/b/winds/o/log/rewriteTo/b/winds/o/copy", "{}").status, 200);
  ASSERT_EQ(Admin("DELETE", "/storage/v1/b/winds/o/log").status, 204);
  const uint16_t port = server_->port();
  server_.reset();
  Start(port);
  EXPECT_EQ(Get("winds", "copy").body, expected);
  ASSERT_EQ(Admin("POST", "/storage/v1/b/winds/o/copy/moveTo/o/moved", "").status, 200);
  EXPECT_EQ(Get("winds", "moved").body, expected);
  for (const char* name : {"moved", "more"})
    ASSERT_EQ(Admin("DELETE", std::string("/storage/v1/b/winds/o/") + name).status, 204);
  WaitForBlobs(0);
}

TEST_F(ContentsTest, AnUploadInPartsIsFinishedOnce) {
  const auto text = [](const std::string& body, const std::string& tag) {
    const size_t begin = body.find("<" + tag + ">") + tag.size() + 2;
    return body.substr(begin, body.find("</", begin) - begin);
  };
  const std::string id = text(Admin("POST", "/winds/x?uploads", "").body, "UploadId");
  const std::string path = "/winds/x?uploadId=" + id;
  const std::string part = Pattern(100'000);
  const std::string etag = Admin("PUT", path + "&partNumber=1", part).header("etag");
  const std::string finish = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag +
                             "</ETag></Part></CompleteMultipartUpload>";
  const Answer first = Admin("POST", path, finish);
  ASSERT_EQ(first.status, 200) << first.body;
  const Answer again = Admin("POST", path, finish);
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.header("x-goog-generation"), first.header("x-goog-generation"));
  EXPECT_EQ(Get("winds", "x").body, part);
  ASSERT_EQ(Put("winds", "x", "newer").status, 200);
  EXPECT_EQ(Admin("POST", path, finish).status, 404);
  EXPECT_EQ(Get("winds", "x").body, "newer");
}

TEST_F(ContentsTest, AnAccountMadeAnewHasNothingOfItsNamesake) {
  MakeAccount("reborn", "winds", "roles/storage.objectAdmin");
  const std::string email = "reborn@lab.iam.seamount";
  const std::string token = TokenOf(folder_.path() + "/reborn.json");
  const std::string session =
      Send("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=r", token, "{}").header("location");
  ASSERT_FALSE(session.empty());
  ASSERT_EQ(Admin("DELETE", "/v1/projects/lab/serviceAccounts/" + email).status, 200);
  const std::string policy = Admin("GET", "/storage/v1/b/winds/iam").body;
  EXPECT_NE(policy.find("deleted:serviceAccount:" + email + "?uid="), std::string::npos) << policy;
  const std::string again = TokenOf(MakeAccount("reborn", "winds", ""));
  EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o", again).status, 403);
  // The policy can be written back as it was read, but not with a member that is not there.
  EXPECT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", Admin("GET", "/storage/v1/b/winds/iam").body).status, 200);
  const Json unknown = {
      {"bindings",
       {{{"role", "roles/storage.objectViewer"}, {"members", {"serviceAccount:nobody-yet@lab.iam.seamount"}}}}}};
  EXPECT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", unknown.dump()).status, 400);
  ASSERT_EQ(Send("PUT", session, again, Pattern(100), {{"Content-Range", "bytes 0-99/100"}}).status, 403);
  EXPECT_EQ(Get("winds", "r").status, 404);
}

TEST_F(ContentsTest, SessionsEndWithTheirBucket) {
  const std::string session =
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=r", "{}").header("location");
  ASSERT_EQ(Admin("PUT", session, Pattern(262'144), {{"Content-Range", "bytes 0-262143/*"}}).status, 308);
  ASSERT_EQ(Admin("DELETE", "/storage/v1/b/winds").status, 204);
  MakeBucket("winds");
  EXPECT_EQ(Admin("PUT", session, Pattern(10), {{"Content-Range", "bytes 262144-262153/262154"}}).status, 404);
  for (int i = 0; i < 3000 && !fs::is_empty(served() + "/uploads"); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(fs::is_empty(served() + "/uploads"));
}

TEST_F(ContentsTest, ACancelledSessionIsGoneWithItsFile) {
  const std::string session =
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=r", "{}").header("location");
  ASSERT_EQ(Admin("PUT", session, Pattern(262'144), {{"Content-Range", "bytes 0-262143/*"}}).status, 308);
  EXPECT_EQ(Admin("DELETE", session).status, 499);
  EXPECT_EQ(Admin("PUT", session, "", {{"Content-Range", "bytes */*"}}).status, 404);
}

// From format 4 to 2, for which a policy of a deleted account is made up.
constexpr char kDowngrade[] = R"sql(PRAGMA legacy_alter_table=ON; DROP INDEX live_objects;
    ALTER TABLE objects RENAME TO o3; ALTER TABLE uploads RENAME TO u3;
    CREATE TABLE objects (
      bucket INTEGER NOT NULL REFERENCES buckets(id), name TEXT NOT NULL, generation INTEGER NOT NULL,
      metageneration INTEGER NOT NULL, size INTEGER NOT NULL, crc32c INTEGER NOT NULL, md5 TEXT NOT NULL,
      content_type TEXT NOT NULL, fields TEXT NOT NULL, metadata TEXT NOT NULL, component_count INTEGER NOT NULL,
      created INTEGER NOT NULL, updated INTEGER NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (bucket, name)) WITHOUT ROWID;
    INSERT INTO objects SELECT bucket, name, generation, metageneration, size, crc32c, md5, content_type, fields,
      metadata, component_count, created, updated, content FROM o3;
    CREATE TABLE uploads (
      id TEXT PRIMARY KEY, bucket TEXT NOT NULL, name TEXT NOT NULL, content_type TEXT NOT NULL, fields TEXT NOT NULL,
      metadata TEXT NOT NULL, conditions TEXT NOT NULL, email TEXT NOT NULL, expected_size INTEGER,
      persisted INTEGER NOT NULL, finished INTEGER NOT NULL, created INTEGER NOT NULL,
      in_parts INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
    INSERT INTO uploads SELECT id, 'winds', name, content_type, fields, metadata, conditions,
      'seamount-admin@seamount.iam.seamount', expected_size, persisted, finished, created, in_parts FROM u3;
    DROP TABLE o3; DROP TABLE u3; DROP TABLE shared; DROP TABLE small; DROP TABLE garbage;
    ALTER TABLE buckets DROP COLUMN is_share; ALTER TABLE buckets DROP COLUMN prevents_public;
    ALTER TABLE buckets DROP COLUMN labels;
    UPDATE buckets SET policy = replace(policy, 'reader@', 'nobody@');
    PRAGMA application_id = 0; PRAGMA user_version = 2;)sql";

// As the version before wrote it: contents without sums, objects without generations in their key, sessions and
// policies by name.
class OlderCatalogTest : public ContentsTest, public testing::WithParamInterface<int> {};

TEST_P(OlderCatalogTest, IsBroughtUp) {
  const std::string content = Pattern(100'000);
  ASSERT_EQ(Put("winds", "x", content).status, 200);
  const std::string email = "reader@lab.iam.seamount";
  MakeAccount("reader", "winds", "roles/storage.objectViewer");
  const std::string session =
      Admin("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=r", "{}").header("location");
  ASSERT_EQ(Admin("PUT", session, Pattern(262'144), {{"Content-Range", "bytes 0-262143/*"}}).status, 308);
  const uint16_t port = server_->port();
  server_.reset();
  fs::resize_file(Blobs()[0], content.size());
  Execute(kDowngrade);
  if (GetParam() == 1) Execute("ALTER TABLE uploads DROP COLUMN in_parts; DROP TABLE parts; PRAGMA user_version = 1;");
  Start(port);
  EXPECT_EQ(Get("winds", "x").body, content);
  EXPECT_EQ(Get("winds", "x", {{"Range", "bytes=70000-70010"}}).body, content.substr(70'000, 11));
  EXPECT_NE(Admin("GET", "/storage/v1/b/winds/iam").body.find("deleted:serviceAccount:nobody@"), std::string::npos);
  EXPECT_EQ(Admin("PUT", session, "", {{"Content-Range", "bytes */*"}}).header("range"), "bytes=0-262143");
  ASSERT_EQ(Admin("PUT", session, Pattern(10), {{"Content-Range", "bytes 262144-262153/262154"}}).status, 200);
  ASSERT_EQ(Admin("DELETE", "/storage/v1/b/winds/o/x").status, 204);
  WaitForBlobs(1);
}

INSTANTIATE_TEST_SUITE_P(Formats, OlderCatalogTest, testing::Values(1, 2));

}  // namespace
}  // namespace seamount::server
