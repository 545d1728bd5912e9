#include "stores/move_key.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "auth/credentials.h"
#include "auth/service_account_key.h"
#include "base/os_error.h"
#include "net/url.h"
#include "stores/key_file.h"

namespace seamount::stores {
namespace {

// The key's text, known to be one.
Result<std::string> ReadKey(const std::string& path) {
  SEAMOUNT_TRY(auth::LoadServiceAccountKey(path));
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::string> WithAddress(const std::string& text, const std::string& endpoint) {
  SEAMOUNT_TRY(net::ParseUrl(endpoint));
  std::string address = endpoint;
  while (address.ends_with('/')) address.pop_back();
  auto key = nlohmann::json::parse(text);
  key["token_uri"] = address + "/token";
  key["endpoints"] = {address};
  return key.dump(2) + "\n";
}

}  // namespace

Result<void> MoveKey(const std::string& key_file, const std::string& endpoint, net::HttpClient& http,
                     const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const std::string text, ReadKey(key_file));
  SEAMOUNT_TRY_ASSIGN(std::string moved, WithAddress(text, endpoint));
  const auth::Secret content(std::move(moved));
  SEAMOUNT_TRY_ASSIGN(const auto source, auth::FindCredentials({.key_text = content, .endpoint = endpoint}, http));
  if (const auto token = source->GetToken(endpoint, {}, context); !token) {
    return token.error().Wrap("key file '" + key_file + "' stays as it is: " + endpoint + " does not take it");
  }
  const std::string beside = key_file + ".moving";
  SEAMOUNT_TRY_ASSIGN(NewKeyFile file, NewKeyFile::Make(beside));
  SEAMOUNT_TRY(file.Write(content));
  if (std::rename(beside.c_str(), key_file.c_str()) != 0) {
    const int reason = errno;
    std::remove(beside.c_str());
    return base::OsError(reason, "replacing key file '" + key_file + "'");
  }
  return {};
}

}  // namespace seamount::stores
