// From nothing to a bucket that a notebook can use: the bucket, an identity with rights on that bucket alone, its key
// in a private file, and the proof that the key works. What exists already is used, so that a run that broke off, or a
// second one, ends in the same state. An account never gets a second role that says more than the key that is asked
// for: each role has an account of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "gcs/admin.h"
#include "gcs/roles.h"
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
};
Result<Administrator> FindAdministrator(const AdminOptions& options, std::shared_ptr<net::HttpClient> http);

struct SetupOptions {
  AdminOptions admin;
  std::string bucket;
  std::string location;         // of a new bucket; empty: the server's default
  std::string account_id;       // empty: AccountIdOf(bucket, role)
  std::string role = "writer";  // as gcs::FindRole takes it
  std::string key_file;         // where the new key goes
};

struct SetupReport {
  std::string endpoint;
  std::string email;
  gcs::Role role;
  bool bucket_created = false;
  bool account_created = false;
  bool role_granted = false;
  bool key_created = false;
};

// `said` hears each step as it is done, in words for a person. Where the key goes is made sure of before anything is
// made.
Result<SetupReport> SetUpBucket(const SetupOptions& options, std::shared_ptr<net::HttpClient> http,
                                const std::function<void(const std::string&)>& said, const CallContext& context);

// A name for the account of one role on one bucket, 6 to 30 characters as IAM has it: of writers after the bucket
// alone. Names that had to be changed, cut or lengthened end in a checksum, so that no two share an account.
std::string AccountIdOf(const std::string& bucket, const gcs::Role& role);

}  // namespace seamount::stores
