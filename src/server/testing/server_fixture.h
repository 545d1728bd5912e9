// The server as a client sees it: over HTTP, in this process. Tokens come from the real key file by the real exchange.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "auth/token_sources.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "net/http_client.h"
#include "server/server.h"

namespace seamount::server {

using Json = nlohmann::json;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "seamount-server-XXXXXX").string();
    path_ = mkdtemp(path.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_; }

 private:
  std::string path_;
};

inline net::RequestBody BodyOf(std::string text) {
  auto shared = std::make_shared<std::string>(std::move(text));
  return {shared->size(), [shared](uint64_t offset, std::span<std::byte> into) -> Result<void> {
            std::memcpy(into.data(), shared->data() + offset, into.size());
            return {};
          }};
}

struct Answer {
  int status = 0;
  net::Headers headers;
  std::string body;
  Json json() const { return Json::parse(body, nullptr, false); }
  std::string header(std::string_view name) const { return std::string(headers.Get(name).value_or("")); }
};

class ServerTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start(uint16_t port = 0) {
    options_.directory = folder_.path() + "/served";
    options_.port = port;
    auto started = StartServer(options_);
    ASSERT_TRUE(started) << started.error().ToString();
    server_ = *std::move(started);
    admin_ = TokenOf(server_->admin_key_file());
  }

  std::string TokenOf(const std::string& key_file) {
    auto key = auth::LoadServiceAccountKey(key_file);
    EXPECT_TRUE(key) << key.error().ToString();
    auto source = auth::MakeTokenExchangeSource(*std::move(key), *http_, base::RealClock());
    auto token = source->GetToken(server_->endpoint(), {}, {});
    EXPECT_TRUE(token) << token.error().ToString();
    return token ? token->value.Reveal() : "";
  }

  using HeaderList = std::vector<std::pair<std::string, std::string>>;
  Answer Send(const std::string& method, const std::string& path, const std::string& token,
              std::optional<std::string> body = {}, const HeaderList& headers = {}) {
    net::HttpRequest request{.method = method, .url = server_->endpoint() + path};
    if (path.starts_with("http")) request.url = path;
    if (!token.empty()) request.headers.Add("Authorization", "Bearer " + token);
    for (const auto& [name, value] : headers) request.headers.Add(name, value);
    if (body) request.body = BodyOf(*std::move(body));
    auto response = http_->Send(request, {});
    EXPECT_TRUE(response) << response.error().ToString();
    if (!response) return {};
    return {response->status, response->headers, std::string(response->body.view())};
  }
  Answer Admin(const std::string& method, const std::string& path, std::optional<std::string> body = {},
               const HeaderList& headers = {}) {
    return Send(method, path, admin_, std::move(body), headers);
  }
  void MakeBucket(const std::string& name) {
    ASSERT_EQ(Admin("POST", "/storage/v1/b?project=p", Json{{"name", name}}.dump()).status, 200);
  }
  Answer Put(const std::string& bucket, const std::string& name, const std::string& content,
             const std::string& query = "") {
    return Admin("POST",
                 "/upload/storage/v1/b/" + bucket + "/o?uploadType=media&name=" + base::PercentEncode(name) + query,
                 content);
  }
  Answer Get(const std::string& bucket, const std::string& name, const HeaderList& headers = {}) {
    return Admin("GET", "/storage/v1/b/" + bucket + "/o/" + base::PercentEncode(name) + "?alt=media", {}, headers);
  }
  // Makes an account with `role` on `bucket` (none where empty) and gives its key file.
  std::string MakeAccount(const std::string& id, const std::string& bucket, const std::string& role) {
    const Json made = Admin("POST", "/v1/projects/lab/serviceAccounts", Json{{"accountId", id}}.dump()).json();
    const std::string email = made.value("email", "");
    EXPECT_FALSE(email.empty());
    const Json key = Admin("POST", "/v1/projects/lab/serviceAccounts/" + email + "/keys", "{}").json();
    const auto file = base::Base64Decode(key.value("privateKeyData", ""));
    EXPECT_TRUE(file);
    const std::string path = folder_.path() + "/" + id + ".json";
    std::ofstream(path).write(reinterpret_cast<const char*>(file->data()), static_cast<std::streamsize>(file->size()));
    chmod(path.c_str(), 0600);
    if (role.empty()) return path;
    Json policy = Admin("GET", "/storage/v1/b/" + bucket + "/iam").json();
    policy["bindings"].push_back({{"role", role}, {"members", {"serviceAccount:" + email}}});
    EXPECT_EQ(Admin("PUT", "/storage/v1/b/" + bucket + "/iam", policy.dump()).status, 200);
    return path;
  }

  TemporaryFolder folder_;
  ServerOptions options_;
  std::unique_ptr<net::HttpClient> http_ = net::MakeCurlHttpClient();
  std::unique_ptr<Server> server_;
  std::string admin_;
};

}  // namespace seamount::server
