// From nothing to a bucket that a notebook can use: the bucket, an identity with rights on that bucket alone, its key
// in a private file, and the proof that the key works. What exists already is used, so that a run that broke off, or a
// second one, ends in the same state. An account never gets a second role that says more than the key that is asked
// for: each role has an account of its own. Where the organisation forbids keys, the file says how to act as the
// account instead: whoever sets up gets the right to, and tokens of an hour that reach the bucket and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "gcs/roles.h"
#include "net/http_client.h"
#include "stores/administrator.h"

namespace seamount::stores {

struct SetupOptions {
  AdminOptions admin;
  std::string bucket;
  std::string location;         // of a new bucket; empty: the server's default
  std::string account_id;       // empty: AccountIdOf(bucket, role)
  std::string role = "writer";  // as gcs::FindRole takes it
  std::string key_file;         // where the new key goes
  bool keyless = false;         // a file that acts as the account, instead of a key; Google only
  std::string user;             // who may act as it; empty: whoever sets up
};

struct SetupReport {
  std::string endpoint;
  std::string email;
  gcs::Role role;
  bool bucket_created = false;
  bool account_created = false;
  bool role_granted = false;
  bool key_created = false;
  bool keyless = false;  // the file holds no secret, and is good for `user` alone
  std::string user;
};

// `said` hears each step as it is done, in words for a person. Where the key goes is made sure of before anything is
// made.
Result<SetupReport> SetUpBucket(const SetupOptions& options, std::shared_ptr<net::HttpClient> http,
                                const std::function<void(const std::string&)>& said, const CallContext& context);

// A name for the account of one role on one bucket, 6 to 30 characters as IAM has it: of writers after the bucket
// alone. Names that had to be changed, cut or lengthened end in a checksum, so that no two share an account.
std::string AccountIdOf(const std::string& bucket, const gcs::Role& role);

}  // namespace seamount::stores
