// Who makes buckets and accounts.
#pragma once

#include <memory>
#include <string>

#include "auth/token_source.h"
#include "base/result.h"
#include "gcs/admin.h"
#include "net/http_client.h"

namespace seamount::stores {

// Who sets up, and where.
struct AdminOptions {
  std::string endpoint;        // as in StoreConfig; empty: where the administrator's key was made, else as there
  std::string admin_key_file;  // empty: what is found on the machine
  std::string project;         // empty: the administrator key's
};
struct Administrator {
  std::string endpoint;
  std::unique_ptr<gcs::AdminClient> client;
  std::shared_ptr<auth::TokenSource> tokens;
};
Result<Administrator> FindAdministrator(const AdminOptions& options, std::shared_ptr<net::HttpClient> http);

}  // namespace seamount::stores
