// Rights on a part: conditions of bindings, narrowed tokens, and tokens of an account that somebody acts as.
#include "server/condition.h"
#include "server/testing/server_fixture.h"

namespace seamount::server {
namespace {

const ConditionFacts kObject{.resource_name = "projects/_/buckets/winds/objects/raw/a",
                             .resource_type = "storage.googleapis.com/Object",
                             .list_prefix = "",
                             .now = base::SystemTime(std::chrono::seconds(1'800'000'000))};  // 2027-01-15

TEST(ConditionTest, SaysWhichObjectsAndUntilWhen) {
  const std::string raw = R"(resource.name.startsWith("projects/_/buckets/winds/objects/raw/"))";
  const std::vector<std::pair<std::string, bool>> cases = {
      {raw, true},
      {"!" + raw, false},
      {"!!" + raw, true},
      {raw + R"( && request.time < timestamp("2027-02-01T00:00:00Z"))", true},
      {raw + R"( && request.time < timestamp('2027-01-01T00:00:00Z'))", false},
      {R"(request.time >= timestamp("2027-01-15T08:00:00Z"))", true},
      {R"(request.time > timestamp("2027-01-15T08:00:00Z"))", false},
      {R"(request.time == timestamp("2027-01-15T09:00:00+01:00"))", true},
      {R"(timestamp("2027-01-15T08:00:00Z") != request.time)", false},
      {R"(resource.type == "storage.googleapis.com/Object")", true},
      {R"(resource.type != 'storage.googleapis.com/Object')", false},
      {R"(resource.service == "storage.googleapis.com")", true},
      {R"(resource.name.endsWith("/a"))", true},
      {R"(resource.name.endsWith("/b") || false || resource.name.endsWith("a"))", true},
      // && binds closer than ||.
      {"true || false && false", true},
      {"(true || false) && false", false},
      {R"(api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("raw/"))", false},
      {R"(resource.name == "a\"b\\c")", false},
  };
  for (const auto& [expression, holds] : cases) {
    const auto condition = Condition::Parse(expression);
    ASSERT_TRUE(condition) << expression << ": " << condition.error().message();
    EXPECT_EQ((*condition)->Holds(kObject), holds) << expression;
  }
}

TEST(ConditionTest, WhatItDoesNotKnowIsRefusedWithThePlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "at character 1, where it ends"},
      {"resource.name", "at character 14, where it ends"},
      {"resource.names == 'a'", "at character 1,"},
      {"resource.name = 'a'", "at character 15,"},
      {"resource.name < 'b'", "only times have an order"},
      {"request.time < 'b'", "expected a time"},
      {"resource.name == request.time", "expected text"},
      {"resource.name.matches('a')", "at character 14,"},
      {"request.time < timestamp('tomorrow')", "expected a time as"},
      {"resource.name == 'a", "a closing quote"},
      {R"(resource.name == 'a\n')", "a quote or a backslash"},
      {"(true", "')'"},
      {"true true", "at character 6,"},
      {"request.auth.claims == 'a'", "at character 1,"},
      {"api.getAttribute('x', '') == ''", "objectListPrefix"},
      {"api.getAttribute('storage.googleapis.com/objectListPrefix', 'a') == ''", "expected ''"},
      {std::string(100, '(') + "true" + std::string(100, ')'), "nested deeper than"},
      {std::string(100, '!') + "true", "nested deeper than"},
      {std::string(5000, ' '), "longer than 4 KiB"},
  };
  for (const auto& [expression, message] : cases) {
    const auto condition = Condition::Parse(expression);
    ASSERT_FALSE(condition) << expression;
    EXPECT_EQ(condition.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(condition.error().message().find(message), std::string::npos) << condition.error().message();
  }
}

class NarrowingTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    MakeBucket("winds");
    for (const char* name : {"raw/a", "raw/b", "fine/a"}) ASSERT_EQ(Put("winds", name, name).status, 200);
  }

  // Gives the account of that id the role under a condition.
  Answer Bind(const std::string& id, const std::string& role, const std::string& expression, int version = 3) {
    Json policy = Admin("GET", "/storage/v1/b/winds/iam?optionsRequestedPolicyVersion=3").json();
    policy["version"] = version;
    policy["bindings"].push_back({{"role", role},
                                  {"members", {"serviceAccount:" + id + "@lab.iam.seamount"}},
                                  {"condition", {{"title", "part"}, {"expression", expression}}}});
    return Admin("PUT", "/storage/v1/b/winds/iam", policy.dump());
  }
  int Read(const std::string& token, const std::string& name) {
    return Send("GET", "/storage/v1/b/winds/o/" + base::PercentEncode(name) + "?alt=media", token).status;
  }
  int Write(const std::string& token, const std::string& name) {
    return Send("POST", "/upload/storage/v1/b/winds/o?uploadType=media&name=" + base::PercentEncode(name), token, "x")
        .status;
  }
  int List(const std::string& token, const std::string& prefix) {
    return Send("GET", "/storage/v1/b/winds/o?prefix=" + base::PercentEncode(prefix), token).status;
  }
  // Every way to what is in the bucket: within raw/ all are open, elsewhere none.
  void ExpectRawAlone(const std::string& token) {
    EXPECT_EQ(Read(token, "raw/a"), 200);
    EXPECT_EQ(Read(token, "fine/a"), 403);
    EXPECT_EQ(Send("GET", "/winds/fine/a", token).status, 403);
    EXPECT_EQ(Send("GET", "/winds/raw/a", token).status, 200);
    EXPECT_EQ(Send("GET", "/storage/v1/b/winds/o/fine%2Fa", token).status, 403);
    EXPECT_EQ(List(token, "raw/"), 200);
    EXPECT_EQ(List(token, "raw"), 403);
    EXPECT_EQ(List(token, ""), 403);
    EXPECT_EQ(Send("GET", "/winds?prefix=fine/", token).status, 403);
    EXPECT_EQ(Write(token, "raw/c"), 200);
    EXPECT_EQ(Write(token, "raw/c"), 200) << "may overwrite";
    EXPECT_EQ(Write(token, "fine/c"), 403);
    const auto multipart = [&](const std::string& name) {
      const std::string body = "--b\r\nContent-Type: application/json\r\n\r\n" + Json{{"name", name}}.dump() +
                               "\r\n--b\r\n\r\nx\r\n--b--\r\n";
      return Send("POST", "/upload/storage/v1/b/winds/o?uploadType=multipart&name=raw%2Fd", token, body,
                  {{"Content-Type", "multipart/related; boundary=b"}})
          .status;
    };
    EXPECT_EQ(multipart("raw/d"), 200);
    EXPECT_EQ(multipart("fine/d"), 403) << "the name in the body counts";
    const auto resumable = [&](const std::string& name) {
      return Send("POST", "/upload/storage/v1/b/winds/o?uploadType=resumable&name=raw%2Fe", token,
                  Json{{"name", name}}.dump());
    };
    EXPECT_EQ(resumable("fine/e").status, 403);
    const Answer session = resumable("raw/e");
    EXPECT_EQ(session.status, 200);
    EXPECT_EQ(Send("PUT", session.header("location"), token, "whole").status, 200);
    EXPECT_EQ(Send("PUT", "/winds/fine/f", token, "x").status, 403);
    EXPECT_EQ(Send("POST", "/winds/fine/f?uploads", token, "").status, 403);
    EXPECT_EQ(Send("PUT", "/winds/raw/f", token, "x", {{"x-goog-copy-source", "winds/fine/a"}}).status, 403);
    const auto compose = [&](const std::string& from, const std::string& to) {
      return Send("POST", "/storage/v1/b/winds/o/" + base::PercentEncode(to) + "/compose", token,
                  Json{{"sourceObjects", {{{"name", "raw/a"}}, {{"name", from}}}}}.dump())
          .status;
    };
    EXPECT_EQ(compose("raw/b", "raw/g"), 200);
    EXPECT_EQ(compose("fine/a", "raw/g"), 403);
    EXPECT_EQ(compose("raw/b", "fine/g"), 403);
    const auto rewrite = [&](const std::string& from, const std::string& to) {
      return Send("POST",
                  "/storage/v1/b/winds/o/" + base::PercentEncode(from) + "/rewriteTo/b/winds/o/" +
                      base::PercentEncode(to),
                  token, "{}")
          .status;
    };
    EXPECT_EQ(rewrite("raw/a", "raw/h"), 200);
    EXPECT_EQ(rewrite("fine/a", "raw/h"), 403);
    EXPECT_EQ(rewrite("raw/a", "fine/h"), 403);
    const auto move = [&](const std::string& from, const std::string& to) {
      return Send("POST", "/storage/v1/b/winds/o/" + base::PercentEncode(from) + "/moveTo/o/" + base::PercentEncode(to),
                  token, "{}")
          .status;
    };
    EXPECT_EQ(move("raw/h", "fine/h"), 403);
    EXPECT_EQ(move("fine/a", "raw/h"), 403);
    EXPECT_EQ(move("raw/h", "raw/i"), 200);
    EXPECT_EQ(Send("PATCH", "/storage/v1/b/winds/o/fine%2Fa", token, "{}").status, 403);
    EXPECT_EQ(Send("DELETE", "/storage/v1/b/winds/o/fine%2Fa", token).status, 403);
    EXPECT_EQ(Send("DELETE", "/winds/fine/a", token).status, 403);
    EXPECT_EQ(Send("DELETE", "/storage/v1/b/winds/o/raw%2Fi", token).status, 204);
    EXPECT_EQ(Send("GET", "/storage/v1/b/winds/iam", token).status, 403);
  }
  Answer Narrow(const std::string& token, const std::string& options) {
    const std::string type = base::PercentEncode("urn:ietf:params:oauth:token-type:access_token");
    return Send("POST", "/v1/token", "",
                "grant_type=" + base::PercentEncode("urn:ietf:params:oauth:grant-type:token-exchange") +
                    "&requested_token_type=" + type + "&subject_token_type=" + type + "&subject_token=" + token +
                    "&options=" + base::PercentEncode(base::PercentEncode(options)));
  }
  static std::string BoundaryOn(const std::string& bucket, const std::string& role, const std::string& expression) {
    Json rule = {{"availableResource", "//storage.googleapis.com/projects/_/buckets/" + bucket},
                 {"availablePermissions", {"inRole:" + role}}};
    if (!expression.empty()) rule["availabilityCondition"] = {{"title", "part"}, {"expression", expression}};
    return Json{{"accessBoundary", {{"accessBoundaryRules", {rule}}}}}.dump();
  }
  const std::string raw_ = R"(resource.name.startsWith("projects/_/buckets/winds/objects/raw/") || )"
                           R"(api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("raw/"))";
};

TEST_F(NarrowingTest, ABindingGivesWhatItsConditionSays) {
  const std::string token = TokenOf(MakeAccount("reader", "winds", ""));
  ASSERT_EQ(Bind("reader", "roles/storage.objectAdmin", raw_).status, 200);
  ExpectRawAlone(token);
}

TEST_F(NarrowingTest, ABindingEndsWithItsTime) {
  const std::string token = TokenOf(MakeAccount("reader", "winds", ""));
  ASSERT_EQ(Bind("reader", "roles/storage.objectViewer", R"(request.time < timestamp("2020-01-01T00:00:00Z"))").status,
            200);
  EXPECT_EQ(Read(token, "raw/a"), 403);
  ASSERT_EQ(Bind("reader", "roles/storage.objectViewer", R"(request.time < timestamp("2120-01-01T00:00:00Z"))").status,
            200);
  EXPECT_EQ(Read(token, "raw/a"), 200);
}

TEST_F(NarrowingTest, WhoKnowsNoConditionsDoesNotLoseThem) {
  MakeAccount("reader", "winds", "");
  EXPECT_EQ(Bind("reader", "roles/storage.objectViewer", raw_, 1).status, 400);
  ASSERT_EQ(Bind("reader", "roles/storage.objectViewer", raw_).status, 200);
  EXPECT_EQ(Admin("GET", "/storage/v1/b/winds/iam").status, 400);
  const Json policy = Admin("GET", "/storage/v1/b/winds/iam?optionsRequestedPolicyVersion=3").json();
  EXPECT_EQ(policy["version"], 3);
  EXPECT_EQ(policy["bindings"].back()["condition"]["expression"], raw_);
  EXPECT_EQ(Bind("reader", "roles/storage.objectViewer", "resource.name.contains('a')").status, 400);
  Json open = policy;
  open["bindings"].back()["members"] = {"allUsers"};
  EXPECT_EQ(Admin("PUT", "/storage/v1/b/winds/iam", open.dump()).status, 400);
  // It is in the catalog as it was given.
  server_.reset();
  Start();
  EXPECT_EQ(Admin("GET", "/storage/v1/b/winds/iam?optionsRequestedPolicyVersion=3").json()["bindings"],
            policy["bindings"]);
}

TEST_F(NarrowingTest, ANarrowedTokenHasWhatItsBoundaryLeaves) {
  MakeBucket("tides");
  ASSERT_EQ(Put("tides", "a", "a").status, 200);
  const std::string whole = TokenOf(MakeAccount("reader", "winds", "roles/storage.objectAdmin"));
  const Answer narrowed = Narrow(whole, BoundaryOn("winds", "roles/storage.objectAdmin", raw_));
  ASSERT_EQ(narrowed.status, 200) << narrowed.body;
  EXPECT_EQ(narrowed.header("cache-control"), "no-store");
  EXPECT_LE(narrowed.json()["expires_in"], 3600);
  const std::string token = narrowed.json()["access_token"];
  ExpectRawAlone(token);
  // The administrator's, narrowed, is no administrator's.
  const std::string admins =
      Narrow(admin_, BoundaryOn("winds", "roles/storage.objectViewer", "")).json()["access_token"];
  EXPECT_EQ(Read(admins, "fine/a"), 200);
  EXPECT_EQ(Write(admins, "fine/a"), 403);
  EXPECT_EQ(Send("GET", "/storage/v1/b/tides/o/a?alt=media", admins).status, 403);
  EXPECT_EQ(Send("GET", "/storage/v1/b?project=p", admins).status, 403);
  EXPECT_EQ(Send("GET", "/v1/projects/lab/serviceAccounts", admins).status, 403);
  EXPECT_EQ(Narrow(token, BoundaryOn("winds", "roles/storage.objectAdmin", "")).status, 400);
  EXPECT_EQ(Narrow("nobody", BoundaryOn("winds", "roles/storage.objectAdmin", "")).status, 400);
  for (const std::string& options :
       {std::string("{}"), std::string(""), std::string("["), BoundaryOn("winds", "roles/owner", ""),
        BoundaryOn("winds", "x", "matches()"), std::string(R"({"accessBoundary":{"accessBoundaryRules":[]}})"),
        BoundaryOn(std::string(5000, 'w'), "roles/storage.objectAdmin", "")}) {
    EXPECT_EQ(Narrow(whole, options).status, 400) << options.substr(0, 80);
  }
}

TEST_F(NarrowingTest, TheAdministratorActsAsAnAccount) {
  const std::string key = MakeAccount("reader", "winds", "roles/storage.objectViewer");
  const std::string url = "/v1/projects/-/serviceAccounts/reader@lab.iam.seamount:generateAccessToken";
  const auto ask = [](const std::string& scope, const std::string& lifetime) {
    return Json{{"scope", {"https://www.googleapis.com/auth/" + scope}}, {"lifetime", lifetime}}.dump();
  };
  const Answer made = Admin("POST", url, ask("cloud-platform", "600s"));
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string token = made.json()["accessToken"];
  EXPECT_EQ(Read(token, "raw/a"), 200);
  EXPECT_EQ(Write(token, "raw/a"), 403);
  EXPECT_EQ(Send("GET", "/v1/projects/lab/serviceAccounts", token).status, 403);
  EXPECT_EQ(Send("POST", url, TokenOf(key), ask("cloud-platform", "600s")).status, 403);
  EXPECT_EQ(Admin("POST", url, ask("cloud-platform", "7200s")).status, 400);
  EXPECT_EQ(Admin("POST", url, ask("cloud-platform", "soon")).status, 400);
  EXPECT_EQ(Admin("POST", url, ask("bigquery", "600s")).status, 400);
  EXPECT_EQ(Admin("POST", "/v1/projects/-/serviceAccounts/nobody@lab.iam.seamount:generateAccessToken",
                  ask("cloud-platform", "600s"))
                .status,
            404);
  // It may be narrowed, and ends with the account.
  const Answer narrowed = Narrow(token, BoundaryOn("winds", "roles/storage.objectViewer", raw_));
  ASSERT_EQ(narrowed.status, 200) << narrowed.body;
  EXPECT_EQ(Read(narrowed.json()["access_token"], "raw/a"), 200);
  EXPECT_EQ(Read(narrowed.json()["access_token"], "fine/a"), 403);
  ASSERT_EQ(Admin("POST", "/v1/projects/lab/serviceAccounts/reader@lab.iam.seamount:disable", "{}").status, 200);
  EXPECT_EQ(Read(token, "raw/a"), 401);
  // As the administrator's own account nobody acts twice over.
  const std::string admin = Json::parse(std::ifstream(server_->admin_key_file()))["client_email"];
  const std::string as_admin =
      Admin("POST", "/v1/projects/-/serviceAccounts/" + admin + ":generateAccessToken", ask("cloud-platform", "600s"))
          .json()["accessToken"];
  EXPECT_EQ(Send("POST", "/v1/projects/-/serviceAccounts/" + admin + ":generateAccessToken", as_admin,
                 ask("cloud-platform", "600s"))
                .status,
            403);
}

}  // namespace
}  // namespace seamount::server
