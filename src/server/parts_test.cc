// The server's parts that need no server: routing, ranges, multipart, tokens, rights, group commit.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "server/access_token.h"
#include "server/blob_store.h"
#include "server/commit_queue.h"
#include "server/faults.h"
#include "server/iam.h"
#include "server/multipart.h"
#include "server/route.h"
#include "server/service.h"

namespace seamount::server {
namespace {

TEST(Route, Table) {
  struct Row {
    std::string method, target;
    Operation operation;
    std::string bucket, object;
  };
  const std::vector<Row> rows = {
      {"GET", "/storage/v1/b?project=p", Operation::kListBuckets, "", ""},
      {"POST", "/b", Operation::kInsertBucket, "", ""},
      {"GET", "/storage/v1/b/x/o?prefix=a", Operation::kListObjects, "x", ""},
      {"GET", "/storage/v1/b/x/o/a%2Fb", Operation::kGetObject, "x", "a/b"},
      {"GET", "/download/storage/v1/b/x/o/a?alt=media", Operation::kGetObject, "x", "a"},
      {"POST", "/upload/storage/v1/b/x/o?uploadType=media&name=n", Operation::kInsertObject, "x", ""},
      {"PUT", "/resumable/upload/storage/v1/b/x/o?upload_id=1", Operation::kResumeUpload, "x", ""},
      {"POST", "/b/x/o/a/compose", Operation::kComposeObject, "x", "a"},
      {"POST", "/b/x/o/a/rewriteTo/b/y/o/c", Operation::kRewriteObject, "x", "a"},
      {"GET", "/x/a//b", Operation::kXmlGetObject, "x", "a//b"},
      {"GET", "/b/x/iam/testPermissions?permissions=p", Operation::kTestBucketPermissions, "x", ""},
      {"POST", "/v1/projects/p/serviceAccounts/e@p:disable", Operation::kDisableAccount, "", ""},
      {"DELETE", "/v1/projects/-/serviceAccounts/e@p/keys/k", Operation::kDeleteKey, "", ""},
  };
  for (const Row& row : rows) {
    const auto target = net::ParseTarget(row.target);
    ASSERT_TRUE(target) << row.target;
    const auto route = MatchRoute(row.method, *target);
    ASSERT_TRUE(route) << row.target << ": " << route.error().ToString();
    EXPECT_EQ(route->operation, row.operation) << row.target;
    EXPECT_EQ(route->bucket, row.bucket) << row.target;
    EXPECT_EQ(route->object, row.object) << row.target;
  }
  for (const char* unknown : {"/", "/upload/storage/v1/b/x", "/v1/projects/p/roles", "/b/x/o/a/b"})
    EXPECT_FALSE(MatchRoute("GET", *net::ParseTarget(unknown))) << unknown;
}

TEST(Faults, Instructions) {
  const auto fault = [](const char* text) { return ParseFault(text).value(); };
  EXPECT_EQ(fault("return-503").status, 503);
  EXPECT_EQ(fault("return-503").kind, Fault::Kind::kStatus);
  EXPECT_EQ(fault("return-503-after-256K").kind, Fault::Kind::kStatusInBody);
  EXPECT_EQ(fault("return-503-after-256K").after_bytes, 256u << 10);
  EXPECT_EQ(fault("return-reset-connection").kind, Fault::Kind::kReset);
  EXPECT_EQ(fault("return-broken-stream").kind, Fault::Kind::kBrokenStream);
  EXPECT_EQ(fault("return-broken-stream-after-3K").after_bytes, 3072u);
  EXPECT_EQ(fault("return-broken-stream-final-chunk-after-8B").after_bytes, 8u);
  EXPECT_EQ(fault("stall-for-10s-after-1K").stall, std::chrono::seconds(10));
  for (const char* bad : {"", "return-", "return-200", "return-5030", "return-503-after-", "return-503-after-1M",
                          "stall-for-999s-after-1K", "stall-for-1s", "redirect-send-token-T"})
    EXPECT_FALSE(ParseFault(bad)) << bad;
}

TEST(Range, Table) {
  const auto check = [](std::string_view header, uint64_t size, std::optional<std::pair<uint64_t, uint64_t>> expected) {
    const auto span = ResolveRange(header, size);
    ASSERT_EQ(span.has_value(), expected.has_value()) << header;
    if (!span) return;
    EXPECT_EQ(std::make_pair(span->offset, span->length), *expected) << header;
  };
  using P = std::pair<uint64_t, uint64_t>;
  check("bytes=0-0", 10, P{0, 1});
  check("bytes=2-", 10, P{2, 8});
  check("bytes=2-99", 10, P{2, 8});
  check("bytes=-3", 10, P{7, 3});
  check("bytes=-30", 10, P{0, 10});
  check("bytes=10-", 10, P{10, 0});
  check("bytes=0-", 0, P{0, 0});
  check("bytes=0-18446744073709551615", 10, P{0, 10});
  for (const char* ignored : {"bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "items=0-1", "bytes=-", ""})
    check(ignored, 10, std::nullopt);
}

// The same parts, however the network cuts the body.
TEST(Multipart, AnyCut) {
  const std::string content("x\r\n--b\0--bound\r\n\r", 18);
  for (const std::string& line : {std::string("\r\n"), std::string("\n")}) {
    const std::string body = "--boundary" + line + "A: 1" + line + line + content + line + "--boundary" + line + line +
                             line + "--boundary--";
    for (size_t step = 1; step < 40; ++step) {
      std::string_view rest = body;
      MultipartReader reader(
          [&](std::span<std::byte> into) -> Result<size_t> {
            const size_t n = std::min({step, into.size(), rest.size()});
            if (n > 0) std::memcpy(into.data(), rest.data(), n);
            rest.remove_prefix(n);
            return n;
          },
          "boundary");
      const auto first = reader.NextPart();
      ASSERT_TRUE(first && *first);
      EXPECT_EQ((*first)->Get("a"), "1");
      std::string got;
      std::array<std::byte, 7> buffer;
      while (true) {
        const auto n = reader.ReadPart(buffer);
        ASSERT_TRUE(n);
        if (*n == 0) break;
        got.append(reinterpret_cast<const char*>(buffer.data()), *n);
      }
      EXPECT_EQ(got, content) << "step " << step;
      const auto second = reader.NextPart();
      ASSERT_TRUE(second && *second);
      EXPECT_EQ(*reader.ReadPart(buffer), 0u);
      const auto end = reader.NextPart();
      ASSERT_TRUE(end);
      EXPECT_FALSE(*end);
    }
  }
}

TEST(AccessToken, HoldsUntilItExpiresAndNoLonger) {
  const std::string token = SignToken("secret", {"a@b", "1", "k", 1000});
  const auto claims = VerifyToken("secret", token, 999);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->email, "a@b");
  EXPECT_EQ(claims->key_id, "k");
  EXPECT_FALSE(VerifyToken("secret", token, 1000));
  EXPECT_FALSE(VerifyToken("other", token, 999));
  for (size_t i = 0; i + 1 < token.size(); ++i) {  // the last letter holds two bits that mean nothing
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(VerifyToken("secret", changed, 999)) << i;
  }
}

TEST(Iam, GrantsOnlyWhatARoleSays) {
  const Identity reader{.email = "r@p"};
  const Policy policy{.bindings = {{"roles/storage.objectViewer", {"serviceAccount:r@p"}},
                                   {"roles/storage.objectCreator", {"allAuthenticatedUsers"}}}};
  EXPECT_TRUE(Authorize(reader, "storage.objects.get", {.policy = &policy}));
  EXPECT_TRUE(Authorize({.email = "x@p"}, "storage.objects.create", {.policy = &policy}));
  EXPECT_FALSE(Authorize({.email = "x@p"}, "storage.objects.get", {.policy = &policy}));
  EXPECT_FALSE(Authorize({}, "storage.objects.create", {.policy = &policy}));
  EXPECT_FALSE(Authorize(reader, "storage.objects.delete", {.policy = &policy}));
  EXPECT_FALSE(Authorize(reader, "storage.buckets.create", {}));
  EXPECT_TRUE(Authorize({.email = "a", .is_admin = true}, "storage.buckets.create", {}));
  EXPECT_FALSE(Authorize({.email = ""}, "storage.objects.get", {.policy = &policy}));
}

// A change that fails undoes itself and none of those it shares a commit with.
TEST(CommitQueue, FailuresStayAlone) {
  std::string folder = (std::filesystem::temp_directory_path() / "seamount-queue-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/db";
  {
    auto connection = Connection::Open(path, false);
    ASSERT_TRUE(connection) << connection.error().ToString();
    ASSERT_TRUE((*connection)->Execute("CREATE TABLE t (i INTEGER)"));
    CommitQueue queue(*std::move(connection));
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&queue, t] {
        for (int i = 0; i < 10; ++i) {
          const bool fail = i % 3 == 0;
          const auto result = queue.Commit([&](Connection& db) -> Result<void> {
            SEAMOUNT_TRY_ASSIGN(Query insert, db.Prepare("INSERT INTO t VALUES (?)"));
            SEAMOUNT_TRY(insert.Bind(int64_t{t * 10 + i}).Run());
            if (fail) return base::PreconditionFailed("as asked");
            return {};
          });
          EXPECT_EQ(result.has_value(), !fail);
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  auto connection = Connection::Open(path, true);
  ASSERT_TRUE(connection);
  {
    auto query = (*connection)->Prepare("SELECT COUNT(*), COUNT(DISTINCT i), SUM(i % 10 % 3 = 0) FROM t");
    ASSERT_TRUE(query);
    ASSERT_TRUE(*query->Step());
    EXPECT_EQ(query->Integer(0), 48);
    EXPECT_EQ(query->Integer(1), 48);
    EXPECT_EQ(query->Integer(2), 0);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace seamount::server
