#include "auth/service_account_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "auth/credential_fields.h"
#include "base/fd.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

constexpr size_t kMaxFileBytes = 64 << 10;  // as CredentialFields takes
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

Error CannotOpen(const std::string& path, int error) {
  const std::string name = "key file '" + path + "'";
  if (error == ENOENT || error == ENOTDIR) {
    return base::NotFound(name + " does not exist: check the path, or make a key with 'seamount setup'");
  }
  if (error == EACCES) {
    return base::PermissionDenied(name + " cannot be read by this user: run the command as its owner");
  }
  return base::InvalidArgument(name + ": " + std::strerror(error));
}

}  // namespace

Result<Secret> ReadCredentialFile(const std::string& path) {
  const base::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return CannotOpen(path, errno);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return CannotOpen(path, errno);
  if (!S_ISREG(status.st_mode)) return BadCredential(path, "is not a file");
  if (static_cast<uint64_t>(status.st_size) > kMaxFileBytes) {
    return BadCredential(path, "is larger than 64 KiB (expected a service-account key)");
  }
  std::string text(static_cast<size_t>(status.st_size), '\0');
  const ssize_t size = pread(file.get(), text.data(), text.size(), 0);
  if (size < 0) return CannotOpen(path, errno);
  text.resize(static_cast<size_t>(size));
  // Before any advice on its mode: whatever else it is shall keep the one it has.
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || text[first] != '{') {
    return BadCredential(path, "is no key (expected the JSON of a service account's key)");
  }
  if ((status.st_mode & kOthers) != 0) {
    std::array<char, 8> mode{};
    std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(status.st_mode & 07777));
    return BadCredential(path, std::string("is open to other users (mode ") + mode.data() +
                                   ", expected 0600): run 'chmod 600 " + path + "'");
  }
  return Secret(std::move(text));
}

Result<std::string> CredentialType(std::string_view json, const std::string& name) {
  SEAMOUNT_TRY_ASSIGN(const CredentialFields fields, CredentialFields::Parse(json, name));
  return fields.Get("type");
}

Result<ServiceAccountKey> ParseServiceAccountKey(std::string_view json, const std::string& name) {
  SEAMOUNT_TRY_ASSIGN(const CredentialFields fields, CredentialFields::Parse(json, name));
  SEAMOUNT_TRY_ASSIGN(const std::string type, fields.Get("type"));
  if (type != "service_account") {
    return BadCredential(name, "field 'type' is '" + type.substr(0, 40) + "' (expected 'service_account')");
  }
  ServiceAccountKey key;
  SEAMOUNT_TRY_ASSIGN(key.client_email, fields.Get("client_email"));
  SEAMOUNT_TRY_ASSIGN(key.private_key_id, fields.Get("private_key_id"));
  SEAMOUNT_TRY_ASSIGN(key.token_uri, fields.Get("token_uri"));
  if (fields.Has("project_id")) {
    SEAMOUNT_TRY_ASSIGN(key.project_id, fields.Get("project_id"));
  }
  if (const auto url = net::ParseUrl(key.token_uri); !url) {
    return BadCredential(name, "field 'token_uri': " + url.error().message());
  }
  SEAMOUNT_TRY_ASSIGN(key.endpoints, fields.GetList("endpoints"));
  for (const std::string& endpoint : key.endpoints) {
    if (const auto url = net::ParseUrl(endpoint); !url) {
      return BadCredential(name, "field 'endpoints': " + url.error().message());
    }
  }
  SEAMOUNT_TRY_ASSIGN(const std::string pem, fields.GetPem("private_key"));
  auto private_key = PrivateKey::FromPem(pem);
  if (!private_key) return BadCredential(name, "field 'private_key' " + private_key.error().message());
  key.private_key = *std::move(private_key);
  return key;
}

Result<ServiceAccountKey> LoadServiceAccountKey(const std::string& path) {
  SEAMOUNT_TRY_ASSIGN(const Secret text, ReadCredentialFile(path));
  return ParseServiceAccountKey(text.Reveal(), path);
}

}  // namespace seamount::auth
