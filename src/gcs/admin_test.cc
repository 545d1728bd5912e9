// The administrative calls against answers that only Google gives, and the names that keep roles apart.
#include "gcs/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/token_sources.h"
#include "net/testing/fake_http_client.h"

namespace seamount::gcs {
namespace {

using ::testing::HasSubstr;

struct Admin {
  base::FakeClock clock;
  std::shared_ptr<net::FakeHttpClient> http = std::make_shared<net::FakeHttpClient>();
  std::unique_ptr<AdminClient> client =
      *AdminClient::Make("https://storage.googleapis.com", "lab", http,
                         auth::MakeBearerSigner(auth::MakeStaticTokenSource(auth::Secret("t"))), clock);
};

constexpr char kEmail[] = "sm-winds@lab.iam.gserviceaccount.com";
constexpr char kKey[] = R"({"name":"projects/lab/serviceAccounts/x/keys/k1","privateKeyData":"e30="})";

TEST(AdminClient, WaitsUntilANewAccountIsKnown) {
  Admin admin;
  admin.http->Enqueue(404, R"({"error":{"message":"Service account does not exist."}})");
  admin.http->Enqueue(404, R"({"error":{"message":"Service account does not exist."}})");
  admin.http->Enqueue(200, kKey);
  const auto key = admin.client->CreateKey(kEmail, /*just_made=*/true, {});
  ASSERT_TRUE(key) << key.error().message();
  ASSERT_TRUE(*key);
  EXPECT_EQ((*key)->id, "k1");
  EXPECT_EQ((*key)->file.Reveal(), "{}");
  EXPECT_EQ(admin.http->requests().size(), 3U);
}

TEST(AdminClient, GivesUpOnAnAccountThatNeverComes) {
  Admin admin;
  admin.http->SetHandler([](const net::HttpRequest&) -> Result<net::HttpResponse> {
    return net::HttpResponse{.status = 404, .body = Bytes::Copy(std::string_view("{}"))};
  });
  const auto key = admin.client->CreateKey(kEmail, /*just_made=*/true, {});
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code(), ErrorCode::kNotFound);
  EXPECT_GT(admin.http->requests().size(), 10U);
}

TEST(AdminClient, DoesNotWaitForAnAccountThatWasThere) {
  Admin admin;
  admin.http->Enqueue(404, "{}");
  EXPECT_FALSE(admin.client->CreateKey(kEmail, /*just_made=*/false, {}));
  EXPECT_EQ(admin.http->requests().size(), 1U);
}

// Of Google's buckets nothing is ever public; a server of ours, which refuses settings that it has not, has no such
// one.
TEST(AdminClient, AsksForNoSettingThatTheServerHasNot) {
  for (const auto& [endpoint, asked] :
       {std::pair("https://storage.googleapis.com", true), {"http://lab:9000", false}}) {
    base::FakeClock clock;
    const auto http = std::make_shared<net::FakeHttpClient>();
    const auto client = *AdminClient::Make(
        endpoint, "lab", http, auth::MakeBearerSigner(auth::MakeStaticTokenSource(auth::Secret("t"))), clock);
    http->Enqueue(404, "{}");
    http->Enqueue(200, "{}");
    ASSERT_TRUE(client->EnsureBucket("winds", "", {}));
    for (const char* setting : {"publicAccessPrevention", "softDeletePolicy", "versioning", "lifecycle"}) {
      EXPECT_EQ(http->requests()[1].body.find(setting) != std::string::npos, asked) << endpoint << setting;
    }
  }
}

TEST(AdminClient, SaysThatKeysAreForbidden) {
  Admin admin;
  admin.http->Enqueue(400, R"({"error":{"message":"Key creation is not allowed on this service account.",
      "status":"FAILED_PRECONDITION","details":[{"violations":[
      {"type":"constraints/iam.disableServiceAccountKeyCreation"}]}]}})");
  const auto key = admin.client->CreateKey(kEmail, /*just_made=*/false, {});
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_FALSE(*key);
}

TEST(AdminClient, LetsSomebodyActAsAnAccountOnce) {
  Admin admin;
  admin.http->Enqueue(404, "{}");  // it was just made
  admin.http->Enqueue(200, R"({"etag":"a"})");
  admin.http->Enqueue(200, "{}");
  EXPECT_EQ(admin.client->GrantActing(kEmail, "user:me@x", /*just_made=*/true, {}).value(), true);
  EXPECT_THAT(admin.http->requests()[2].body, HasSubstr(R"("user:me@x")"));
  EXPECT_THAT(admin.http->requests()[2].body, HasSubstr(R"("etag":"a")"));
  admin.http->Enqueue(200, R"({"bindings":[{"role":"roles/iam.serviceAccountTokenCreator","members":["user:me@x"]}]})");
  EXPECT_EQ(admin.client->GrantActing(kEmail, "user:me@x", /*just_made=*/false, {}).value(), false);
}

TEST(AdminClient, TellsTheRolesOfOneAccount) {
  Admin admin;
  admin.http->Enqueue(200, R"({"bindings":[
      {"role":"roles/storage.objectUser","members":["serviceAccount:a@b","serviceAccount:c@d"]},
      {"role":"roles/storage.objectViewer","members":["serviceAccount:c@d"]},
      {"role":"roles/storage.admin","members":["serviceAccount:a@b"],"condition":{"expression":"false"}}]})");
  const auto roles = admin.client->RolesOn("winds", "a@b", {});
  ASSERT_TRUE(roles) << roles.error().message();
  EXPECT_THAT(*roles, ::testing::ElementsAre("roles/storage.objectUser"));
}

TEST(AdminClient, TellsOnesOwnRights) {
  Admin admin;
  admin.http->Enqueue(200, R"({"permissions":["storage.objects.list","storage.objects.get","storage.other"]})");
  const auto rights = admin.client->RightsOn("winds", {});
  ASSERT_TRUE(rights) << rights.error().message();
  EXPECT_EQ(*rights, kMayList | kMayRead);
  EXPECT_EQ(Describe(*rights), "read and list");
  EXPECT_THAT(admin.http->requests()[0].url, HasSubstr("permissions=storage.objects.create"));
}

TEST(Roles, ShortNamesAndLongOnes) {
  EXPECT_EQ(FindRole("reader")->name, "roles/storage.objectViewer");
  EXPECT_EQ(FindRole("viewer")->nickname, "reader");
  EXPECT_EQ(FindRole("roles/storage.objectViewer")->nickname, "reader");
  EXPECT_EQ(FindRole("writer")->name, "roles/storage.objectUser");
  EXPECT_EQ(FindRole("creator")->rights, kMayCreate);
  EXPECT_FALSE(FindRole("projects/lab/roles/mine")->known);
  for (const char* bad : {"", "readers", "read-only", "storage.objectViewer"}) {
    const auto role = FindRole(bad);
    ASSERT_FALSE(role) << bad;
    EXPECT_THAT(role.error().message(), HasSubstr("expected reader, creator, writer, admin"));
  }
}

}  // namespace
}  // namespace seamount::gcs
