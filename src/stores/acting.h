// Where keys are forbidden: somebody gets the right to act as the account, and a file that says how, without a secret.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "gcs/admin.h"
#include "gcs/roles.h"
#include "net/http_client.h"
#include "stores/administrator.h"
#include "stores/key_file.h"

namespace seamount::stores {

struct ActingOptions {
  const Administrator& administrator;
  const gcs::AdminClient::Account& account;
  std::string bucket;
  gcs::Role role;
  std::string user;  // an e-mail address; empty: whoever the administrator's credential is
};

// Whoever may act as the account now ("user:me@example.org"). Google only: elsewhere InvalidArgument.
Result<std::string> SetUpActing(const ActingOptions& options, NewKeyFile& file, net::HttpClient& http,
                                const CallContext& context);

// The file: a token of the account for an hour, narrowed to that role on that bucket. Whose login it takes is not in
// it: what is found on the machine.
std::string ActingCredential(const std::string& email, const std::string& bucket, const gcs::Role& role);

}  // namespace seamount::stores
