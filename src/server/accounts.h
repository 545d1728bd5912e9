// Making service accounts and their keys. The server keeps the public half; the private half leaves it once.
#pragma once

#include <string>
#include <vector>

#include "auth/token_source.h"
#include "base/result.h"
#include "server/catalog.h"

namespace seamount::server {

// "train" in project "winds" is train@winds.iam.seamount. PreconditionFailed if it exists.
Result<std::shared_ptr<const AccountRow>> CreateAccount(Catalog& catalog, const std::string& project,
                                                        const std::string& account_id, const std::string& display_name,
                                                        bool is_admin);

struct NewKey {
  KeyRow row;
  auth::Secret file;  // the key file's JSON
};
// `endpoints`: further addresses of the server, which the key names (auth/service_account_key.h).
Result<NewKey> CreateKey(Catalog& catalog, const AccountRow& account, const std::string& token_uri,
                         const std::vector<std::string>& endpoints);

// Writes a file that only its owner reads, whole or not at all, durable. Replaces one that is there.
Result<void> WritePrivateFile(const std::string& path, const auth::Secret& content);

// The administrator's key file <directory>/admin-key.json: made at the first start, and made anew where it is missing,
// unreadable, or names another address than the server now has (its earlier keys end then).
Result<std::string> EnsureAdminKey(Catalog& catalog, const std::string& directory, const std::string& token_uri,
                                   const std::vector<std::string>& endpoints);

}  // namespace seamount::server
