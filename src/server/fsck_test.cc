// Checks and repairs of a folder whose server has ended.
#include "server/fsck.h"

#include <sqlite3.h>

#include <algorithm>
#include <fstream>

#include "server/blob_store.h"
#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

std::string Pattern(size_t size, char seed) {
  std::string text(size, seed);
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(seed + i * 7 % 251);
  return text;
}

void Flip(const fs::path& file, uint64_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const auto byte = static_cast<char>(stream.get() ^ 1);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(byte);
}

std::string BytesOf(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class FsckTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    port_ = server_->port();
    MakeBucket("winds");
  }
  fs::path At(const std::string& path) const { return folder_.path() + "/served/" + path; }
  // The files of a folder with their bytes, but for what every look at a database makes beside it.
  std::map<std::string, std::string> Tree(const std::string& folder = "") const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(At(folder))) {
      const std::string name = entry.path().lexically_relative(At(folder)).string();
      if (entry.is_regular_file() && !name.ends_with("-wal") && !name.ends_with("-shm"))
        files[name] = BytesOf(entry.path());
    }
    return files;
  }
  // Puts an object and gives its content's file.
  fs::path PutOne(const std::string& name, const std::string& content) {
    const auto before = Tree("blobs");
    EXPECT_EQ(Put("winds", name, content).status, 200);
    for (const auto& [file, bytes] : Tree("blobs"))
      if (!before.contains(file)) return At("blobs/" + file);
    ADD_FAILURE() << "no new file for " << name;
    return {};
  }
  void Stop() { server_.reset(); }
  void Restart() { Start(port_); }
  void Execute(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(At("catalog.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  Result<FolderCheck> TryCheck(const FolderRepair& repair = {}) {
    said_.clear();
    return CheckServedFolder(
        At("").string(), repair, [&](const std::string& line) { said_ += line + "\n"; },
        [&](const FolderCheck& found) { return step_ ? step_(found) : Result<void>(); });
  }
  FolderCheck Check(const FolderRepair& repair = {}) {
    const auto found = TryCheck(repair);
    EXPECT_TRUE(found) << found.error().ToString();
    return found ? *found : FolderCheck{};
  }
  bool Said(const std::string& text) const { return said_.find(text) != std::string::npos; }

  uint16_t port_ = 0;
  std::string said_;
  std::function<Result<void>(const FolderCheck&)> step_;
};

TEST_F(FsckTest, FindsWhatIsDamagedAndNothingElse) {
  const fs::path damaged = PutOne("damaged", Pattern(100'000, 'a'));
  PutOne("whole", Pattern(200'000, 'b'));
  ASSERT_EQ(Put("winds", "small", Pattern(1000, 'c')).status, 200);
  const Json sources = {{"sourceObjects", {{{"name", "whole"}}, {{"name", "small"}}, {{"name", "whole"}}}}};
  ASSERT_EQ(Admin("POST", "/storage/v1/b/winds/o/composed/compose", sources.dump()).status, 200);
  for (const FolderRepair& repair : {FolderRepair{}, FolderRepair{true, "rescued"}}) {
    const auto running = TryCheck(repair);
    ASSERT_FALSE(running);
    EXPECT_EQ(running.error().code(), ErrorCode::kPreconditionFailed);
  }
  Stop();
  FolderCheck found = Check();
  EXPECT_EQ(found.objects, 4u);
  EXPECT_EQ(found.bytes, 100'000u + 1000 + 200'000 + 401'000);
  EXPECT_EQ(said_, "");
  Flip(damaged, 70'000);
  const auto before = Tree();
  for (const FolderRepair& repair : {FolderRepair{}, FolderRepair{true, "rescued"}}) {
    found = Check(repair);
    EXPECT_EQ(found.damaged, 1u);
    EXPECT_TRUE(Said("winds/damaged")) << said_;
    EXPECT_EQ(std::ranges::count(said_, '\n'), 1) << said_;
    EXPECT_EQ(Tree(), before);
  }
}

TEST_F(FsckTest, ContentsOfAnOlderVersionGetChecksumsWhereTheyAreWhatTheCatalogSays) {
  const std::string content = Pattern(200'000, 'a');
  const fs::path good = PutOne("good", content);
  ASSERT_EQ(Admin("POST", "/storage/v1/b/winds/o/good/rewriteTo/b/winds/o/copy", "{}").status, 200);
  const fs::path damaged = PutOne("damaged", Pattern(100'000, 'b'));
  const fs::path other = PutOne("other", Pattern(100'000, 'c'));
  Stop();
  const std::string sealed = BytesOf(good);
  fs::resize_file(good, content.size());  // as the older version wrote them
  fs::resize_file(damaged, 100'000);
  fs::resize_file(other, 100'000);
  Flip(damaged, 50'000);
  Execute("UPDATE objects SET md5 = 'AAAAAAAAAAAAAAAAAAAAAA==' WHERE name = 'other'");
  const auto before = Tree();
  FolderCheck found = Check();
  EXPECT_EQ(found.unsealed, 3u);
  EXPECT_EQ(found.damaged, 2u);
  EXPECT_TRUE(Said("winds/damaged") && Said("winds/other") && !Said("winds/good")) << said_;
  EXPECT_EQ(Tree(), before);
  found = Check({.seal = true});
  EXPECT_EQ(found.sealed, 1u);
  auto after = before;
  after["blobs/" + good.lexically_relative(At("blobs")).string()] = sealed;
  EXPECT_EQ(Tree(), after);
  EXPECT_EQ(Check({.seal = true}).sealed, 0u);
  Restart();
  EXPECT_TRUE(Get("winds", "copy").body == content);
  Flip(good, 150'000);
  EXPECT_EQ(Get("winds", "good", {{"Range", "bytes=140000-160000"}}).status, 422);
}

TEST_F(FsckTest, SealingChangesNothingUnlessTheBytesFit) {
  const std::string content = Pattern(100'000, 'a');
  const fs::path file = PutOne("x", content);
  Stop();
  fs::resize_file(file, content.size());
  const auto before = Tree();
  auto blobs = BlobStore::Open(At("").string());
  ASSERT_TRUE(blobs);
  const uint32_t crc32c = base::Crc32c(base::AsBytes(content));
  const std::string id = file.filename().string();
  EXPECT_EQ((*blobs)->Seal(id, content.size() - 1, crc32c).error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ((*blobs)->Seal(id, content.size(), crc32c + 1).error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(Tree(), before);
  EXPECT_TRUE((*blobs)->Seal(id, content.size(), crc32c));
}

// Contents that an older catalog, put back, does not know: one whole, one as an older version wrote it, one damaged.
class OlderCatalogLeft : public FsckTest {
 protected:
  void SetUp() override {
    FsckTest::SetUp();
    PutOne("known", "k" + std::string(50'000, 'k'));
    Stop();
    fs::copy_file(At("catalog.db"), At("../older.db"));
    Restart();
    whole_ = PutOne("whole", contents_[0]).filename().string();
    unsealed_ = PutOne("unsealed", contents_[1]).filename().string();
    damaged_ = PutOne("damaged", Pattern(100'000, 'c')).filename().string();
    Stop();
    PutOlderBack();
    Restart();  // puts them aside
    Stop();
    ASSERT_EQ(Tree("quarantine").size(), 3u);
    fs::resize_file(At("quarantine/" + unsealed_), contents_[1].size());
    Flip(At("quarantine/" + damaged_), 99'999);
  }
  void PutOlderBack() {
    fs::copy_file(At("catalog.db"), At("../newer.db"), fs::copy_options::overwrite_existing);
    fs::copy_file(At("../older.db"), At("catalog.db"), fs::copy_options::overwrite_existing);
  }
  const std::vector<std::string> contents_ = {Pattern(300'000, 'a'), Pattern(200'000, 'b')};
  std::string whole_, unsealed_, damaged_;
};

TEST_F(OlderCatalogLeft, IsListedAndNothingIsChanged) {
  const auto before = Tree();
  for (const bool seal : {false, true}) {
    const FolderCheck found = Check({.seal = seal});
    EXPECT_EQ(found.quarantined, 3u);
    EXPECT_EQ(found.damaged, 0u);
    EXPECT_TRUE(Said("quarantine/" + whole_ + ": 293.0 KiB of 20") && Said("whole; no object names it")) << said_;
    EXPECT_TRUE(Said("quarantine/" + unsealed_) && Said("without checksums")) << said_;
    EXPECT_TRUE(Said("quarantine/" + damaged_) && Said("damaged; no object names it")) << said_;
    EXPECT_EQ(Tree(), before);
  }
}

TEST_F(OlderCatalogLeft, BecomesObjectsOnceAlsoWhereThatWasBrokenOff) {
  // Broken off at each step: what is there by then stays, and the next run goes on.
  for (uint64_t steps = 0;; ++steps) {
    uint64_t left = steps;
    step_ = [&](const FolderCheck&) -> Result<void> {
      return left-- == 0 ? base::Cancelled("interrupted") : Result<void>();
    };
    if (TryCheck({.seal = true, .restore_to = "rescued"})) break;
    ASSERT_LT(steps, 20u);
  }
  step_ = {};
  const FolderCheck found = Check({.seal = true, .restore_to = "rescued"});
  EXPECT_EQ(found.restored, 0u);
  EXPECT_EQ(found.objects, 3u);
  EXPECT_EQ(found.quarantined, 1u);
  Restart();
  EXPECT_TRUE(Get("rescued", whole_).body == contents_[0]);
  EXPECT_TRUE(Get("rescued", "unchecked/" + unsealed_).body == contents_[1]);
  EXPECT_EQ(Admin("GET", "/storage/v1/b/rescued/o").json()["items"].size(), 2u);
  EXPECT_EQ(Send("GET", "/storage/v1/b/rescued/o", "").status, 401);
  EXPECT_EQ(Get("winds", "known").status, 200);
  EXPECT_EQ(Tree("quarantine").size(), 1u);
  EXPECT_TRUE(fs::exists(At("quarantine/" + damaged_)));
}

TEST_F(OlderCatalogLeft, GoesNowhereThatItCannot) {
  const auto before = Tree();
  EXPECT_EQ(TryCheck({.seal = true, .restore_to = "No bucket"}).error().code(), ErrorCode::kInvalidArgument);
  Execute("UPDATE buckets SET is_share = 1");
  const auto share = TryCheck({.seal = true, .restore_to = "winds"});
  ASSERT_FALSE(share);
  EXPECT_NE(share.error().message().find("'winds'"), std::string::npos);
  EXPECT_EQ(Tree("quarantine").size(), 3u);
}

TEST_F(FsckTest, WhatTheCatalogNamesAndLiesAsideIsNoDamage) {
  const fs::path file = PutOne("x", Pattern(100'000, 'a'));
  Stop();
  fs::rename(file, At("quarantine/" + file.filename().string()));
  const FolderCheck found = Check({.seal = true, .restore_to = "rescued"});
  EXPECT_EQ(found.damaged + found.quarantined, 0u);
  EXPECT_EQ(found.returning, 1u);
  Restart();
  EXPECT_EQ(Get("winds", "x").status, 200);
}

TEST_F(FsckTest, ALostCatalogLeavesItsContents) {
  const std::string content = Pattern(100'000, 'a');
  const std::string id = PutOne("x", content).filename().string();
  Stop();
  fs::rename(At("catalog.db"), At("../lost.db"));
  const auto before = Tree();
  for (const FolderRepair& repair : {FolderRepair{}, FolderRepair{.seal = true}}) {
    const auto lost = TryCheck(repair);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ErrorCode::kDataLoss);
    EXPECT_NE(lost.error().message().find("--restore-to"), std::string::npos);
  }
  std::ofstream(At("catalog.db-wal")) << "rows that are nowhere else";
  EXPECT_EQ(TryCheck({.seal = true, .restore_to = "rescued"}).error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(BytesOf(At("catalog.db-wal")), "rows that are nowhere else");
  EXPECT_EQ(Tree(), before);
  fs::remove(At("catalog.db-wal"));
  EXPECT_EQ(Check({.seal = true, .restore_to = "rescued"}).restored, 1u);
  EXPECT_TRUE(Said("the catalog is lost")) << said_;
  Restart();
  EXPECT_TRUE(Get("rescued", id).body == content);
}

}  // namespace
}  // namespace seamount::server
