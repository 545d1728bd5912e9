#include "server/accounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "auth/rsa_key.h"
#include "auth/service_account_key.h"
#include "base/bytes.h"
#include "server/blob_store.h"
#include "server/json_text.h"

namespace seamount::server {
namespace {

constexpr char kAdminProject[] = "seamount";
constexpr char kAdminEmail[] = "seamount-admin@seamount.iam.seamount";

// 21 decimal digits, as Google's: never given twice.
std::string NewUniqueId() {
  std::string digits = "1";
  for (char c : RandomId().substr(0, 20)) digits += static_cast<char>('0' + (c <= '9' ? c - '0' : c - 'a') % 10);
  return digits;
}

Result<std::shared_ptr<const AccountRow>> EnsureAdminAccount(Catalog& catalog) {
  if (auto account = catalog.FindAccount(kAdminEmail)) return account;
  return CreateAccount(catalog, kAdminProject, "seamount-admin", "Administrator of this server", true);
}

// The key file, naming further addresses of its server.
auth::Secret WithEndpoints(const auth::Secret& file, const std::vector<std::string>& endpoints) {
  if (endpoints.empty()) return file;
  auto json = nlohmann::json::parse(file.Reveal());
  json["endpoints"] = endpoints;
  return auth::Secret(json.dump(2) + "\n");
}

}  // namespace

Result<std::shared_ptr<const AccountRow>> CreateAccount(Catalog& catalog, const std::string& project,
                                                        const std::string& account_id, const std::string& display_name,
                                                        bool is_admin) {
  SEAMOUNT_TRY(CheckAccountId(account_id));
  return catalog.InsertAccount(AccountRow{.email = account_id + "@" + project + ".iam.seamount",
                                          .project = project,
                                          .unique_id = NewUniqueId(),
                                          .display_name = display_name,
                                          .is_admin = is_admin});
}

Result<NewKey> CreateKey(Catalog& catalog, const AccountRow& account, const std::string& token_uri,
                         const std::vector<std::string>& endpoints) {
  SEAMOUNT_TRY_ASSIGN(const auth::PrivateKey key, auth::PrivateKey::Generate());
  SEAMOUNT_TRY_ASSIGN(std::string public_pem, key.PublicPem());
  SEAMOUNT_TRY_ASSIGN(const auth::Secret private_pem, key.ToPem());
  KeyRow row{.id = RandomId() + RandomId().substr(0, 8),  // 40 hex digits, as Google's
             .public_key_pem = std::move(public_pem),
             .token_uri = token_uri};
  SEAMOUNT_TRY_ASSIGN(row, catalog.InsertKey(account.email, std::move(row)));
  auth::Secret file = WithEndpoints(auth::Secret(KeyFileJson(account, row, private_pem.Reveal())), endpoints);
  return NewKey{std::move(row), std::move(file)};
}

Result<void> WritePrivateFile(const std::string& path, const auth::Secret& content) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  base::Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return FromErrno("making " + temporary, errno);
  SEAMOUNT_TRY(WriteAll(file.get(), base::AsBytes(content.Reveal()), temporary));
  if (::fsync(file.get()) != 0) return FromErrno("fsync of " + temporary, errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return FromErrno("renaming to " + path, errno);
  return SyncDirectory(path.substr(0, path.find_last_of('/') + 1));
}

Result<std::string> EnsureAdminKey(Catalog& catalog, const std::string& directory, const std::string& token_uri,
                                   const std::vector<std::string>& endpoints) {
  const std::string path = directory + "/admin-key.json";
  SEAMOUNT_TRY_ASSIGN(const auto account, EnsureAdminAccount(catalog));
  const auto present = auth::LoadServiceAccountKey(path);
  if (present && present->token_uri == token_uri && account->keys.contains(present->private_key_id)) return path;
  for (const auto& [id, key] : account->keys) SEAMOUNT_TRY(catalog.DeleteKey(account->email, id));
  SEAMOUNT_TRY_ASSIGN(const NewKey key, CreateKey(catalog, *account, token_uri, endpoints));
  SEAMOUNT_TRY(WritePrivateFile(path, key.file));
  return path;
}

}  // namespace seamount::server
