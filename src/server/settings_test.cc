// What a bucket's owner sets besides its policy: public access, labels, the default storage class.
#include <sqlite3.h>

#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

constexpr char kBucket[] = "/storage/v1/b/winds";
constexpr char kPolicy[] = "/storage/v1/b/winds/iam";
constexpr char kObject[] = "/storage/v1/b/winds/o/x?alt=media";
constexpr char kPublic[] = R"({"bindings":[{"role":"roles/storage.objectViewer","members":["allUsers"]}]})";
constexpr char kEnforced[] = R"({"iamConfiguration":{"publicAccessPrevention":"enforced"}})";

class SettingsTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    MakeBucket("winds");
    ASSERT_EQ(Put("winds", "x", "1").status, 200);
  }
  Json Now() { return Admin("GET", kBucket).json(); }
  void Restart(const char* sql = "") {
    const uint16_t port = server_->port();
    server_.reset();
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((folder_.path() + "/served/catalog.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
    Start(port);
  }
};

TEST_F(SettingsTest, PublicBindingsGrantNothingWhileThatIsPrevented) {
  ASSERT_EQ(Admin("PUT", kPolicy, kPublic).status, 200);
  ASSERT_EQ(Send("GET", kObject, "").body, "1");
  const std::string stranger = TokenOf(MakeAccount("stranger", "", ""));
  ASSERT_EQ(Send("GET", kObject, stranger).status, 200);  // one of all users
  const Json answer = Admin("PATCH", kBucket, kEnforced).json();
  EXPECT_EQ(answer["iamConfiguration"]["publicAccessPrevention"], "enforced");
  EXPECT_EQ(answer["metageneration"], "3");
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(Send("GET", kObject, "").status, 401);
    EXPECT_EQ(Send("GET", "/winds/x", "").status, 401);
    EXPECT_EQ(Send("GET", kObject, stranger).status, 403);
    EXPECT_EQ(Admin("GET", kObject).body, "1");
    EXPECT_EQ(Now(), answer);
    Restart();
  }
  EXPECT_EQ(Admin("PATCH", kBucket, R"({"iamConfiguration":{"publicAccessPrevention":"inherited"}})").status, 200);
  EXPECT_EQ(Send("GET", kObject, "").body, "1");
}

TEST_F(SettingsTest, NoPolicyIsPublicWhereThatIsPrevented) {
  ASSERT_EQ(Admin("PATCH", kBucket, kEnforced).status, 200);
  for (const char* member : {"allUsers", "allAuthenticatedUsers"}) {
    const Json policy = {{"bindings", {{{"role", "roles/storage.objectViewer"}, {"members", {member}}}}}};
    const Answer answer = Admin("PUT", kPolicy, policy.dump());
    EXPECT_EQ(answer.status, 412);
    EXPECT_NE(answer.body.find(member), std::string::npos) << answer.body;
  }
  MakeAccount("reader", "winds", "roles/storage.objectViewer");  // another policy is
  // A bucket can be made so.
  Json body = Json::parse(kEnforced);
  body["name"] = "calms";
  ASSERT_EQ(Admin("POST", "/storage/v1/b?project=p", body.dump()).status, 200);
  EXPECT_EQ(Admin("PUT", "/storage/v1/b/calms/iam", kPublic).status, 412);
}

TEST_F(SettingsTest, PatchAddsLabelsAndUpdateReplacesThem) {
  EXPECT_FALSE(Now().contains("labels"));
  const auto labels_after = [&](const char* method, const char* body) {
    const Answer answer = Admin(method, kBucket, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.json(), Now());
    return Now().value("labels", Json::object());
  };
  EXPECT_EQ(labels_after("PATCH", R"({"labels":{"a":"1","b":"2"}})"), Json({{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(labels_after("PATCH", R"({"labels":{"a":null,"c":""}})"), Json({{"b", "2"}, {"c", ""}}));
  EXPECT_EQ(labels_after("PATCH", R"({"storageClass":"NEARLINE"})"), Json({{"b", "2"}, {"c", ""}}));
  EXPECT_EQ(Now()["storageClass"], "NEARLINE");
  Restart();
  EXPECT_EQ(labels_after("PUT", R"({"labels":{"d":"4","b":null}})"), Json({{"d", "4"}}));
  EXPECT_EQ(labels_after("PATCH", R"({"labels":null})"), Json::object());
  ASSERT_EQ(Admin("PATCH", kBucket, kEnforced).status, 200);
  labels_after("PUT", "{}");
  EXPECT_EQ(Now()["iamConfiguration"]["publicAccessPrevention"], "enforced");  // opened only where that is said
}

TEST_F(SettingsTest, WhatWasReadCanBeWrittenBack) {
  ASSERT_EQ(Admin("PATCH", kBucket, R"({"labels":{"a":"1"}})").status, 200);
  Json before = Now();
  Json after = Admin("PUT", kBucket, before.dump()).json();
  for (Json* json : {&before, &after}) {
    for (const char* counted : {"metageneration", "etag", "updated"}) json->erase(counted);
  }
  EXPECT_EQ(after, before);
}

TEST_F(SettingsTest, ChangesAreGuardedByMetageneration) {
  const auto patch = [&](const std::string& query) {
    return Admin("PATCH", kBucket + query, R"({"labels":{"a":"1"}})").status;
  };
  EXPECT_EQ(patch("?ifMetagenerationMatch=2"), 412);
  EXPECT_EQ(patch("?ifMetagenerationNotMatch=1"), 412);
  EXPECT_EQ(Now()["metageneration"], "1");
  EXPECT_EQ(patch("?ifMetagenerationMatch=1"), 200);
  EXPECT_EQ(patch("?ifMetagenerationMatch=1"), 412);
  EXPECT_EQ(Now()["metageneration"], "2");
}

TEST_F(SettingsTest, RefusesByNameWhatIsNotKept) {
  const auto refusal = [&](const std::string& body) {
    const Answer answer = Admin("PATCH", kBucket, body);
    EXPECT_EQ(answer.status, 400) << body;
    return answer.body;
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"versioning":{"enabled":true}})", "versioning"},
      {R"({"softDeletePolicy":{"retentionDurationSeconds":"604800"}})", "softDeletePolicy"},
      {R"({"iamConfiguration":{"uniformBucketLevelAccess":{"enabled":false}}})", "uniformBucketLevelAccess"},
      {R"({"iamConfiguration":{"publicAccessPrevention":"perhaps"}})", "perhaps"},
      {R"({"iamConfiguration":{"publicAccessPrevention":true}})", "publicAccessPrevention"},
      {R"({"iamConfiguration":["x"]})", "iamConfiguration"},
      {R"({"location":"MARS"})", "MARS"},
      {R"({"name":"calms"})", "calms"},
      {R"({"labels":["a"]})", "labels"},
      {R"({"labels":{"a":1}})", "'a'"},
      {R"({"labels":{"A":"1"}})", "'A'"},
      {R"({"labels":{"":"1"}})", "''"},
      {R"({"labels":{"a":")" + std::string(64, 'b') + R"("}})", "63"},
  };
  for (const auto& [body, named] : cases) EXPECT_NE(refusal(body).find(named), std::string::npos) << body;
  Json many;
  for (int i = 0; i < 65; ++i) many["labels"]["l" + std::to_string(i)] = "";
  EXPECT_NE(refusal(many.dump()).find("64"), std::string::npos);
  EXPECT_EQ(Now()["metageneration"], "1");
  EXPECT_EQ(Admin("PATCH", kBucket, R"({"softDeletePolicy":{"retentionDurationSeconds":"0"}})").status, 200);
}

TEST_F(SettingsTest, ReadersMayNotChangeThem) {
  const std::string user = TokenOf(MakeAccount("trainer", "winds", "roles/storage.objectAdmin"));
  EXPECT_EQ(Send("PATCH", kBucket, user, kEnforced).status, 403);
  EXPECT_EQ(Send("PATCH", kBucket, "", kEnforced).status, 401);
}

TEST_F(SettingsTest, ABucketOfTheVersionBeforeHasNone) {
  ASSERT_EQ(Admin("PUT", kPolicy, kPublic).status, 200);
  const Json before = Now();
  Restart(
      "ALTER TABLE buckets DROP COLUMN prevents_public; ALTER TABLE buckets DROP COLUMN labels; "
      "PRAGMA user_version = 3;");
  EXPECT_EQ(Now(), before);
  EXPECT_EQ(Send("GET", kObject, "").body, "1");
  EXPECT_EQ(Admin("PATCH", kBucket, kEnforced).status, 200);
}

}  // namespace
}  // namespace seamount::server
