// From nothing to a bucket that a notebook can use: the bucket, an identity with rights on that bucket alone, its key
// in a private file, and the proof that the key works. What exists already is used, so that a run that broke off, or a
// second one, ends in the same state.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"

namespace seamount::stores {

struct SetupOptions {
  std::string bucket;
  std::string endpoint;        // as in StoreConfig: empty means STORAGE_EMULATOR_HOST, else Google
  std::string admin_key_file;  // empty: what is found on the machine
  std::string project;         // empty: the administrator key's
  std::string location;        // of a new bucket; empty: the server's default
  std::string account_id;      // empty: AccountIdOf(bucket)
  std::string role = "roles/storage.objectUser";
  std::string key_file;  // where the new key goes
};

struct SetupReport {
  std::string email;
  bool bucket_created = false;
  bool account_created = false;
  bool role_granted = false;
  bool key_created = false;
};

// `said` hears each step as it is done, in words for a person.
Result<SetupReport> SetUpBucket(const SetupOptions& options, std::shared_ptr<net::HttpClient> http,
                                const std::function<void(const std::string&)>& said, const CallContext& context);

// A name for the account of one bucket, 6 to 30 characters as IAM has it. Names that had to be changed or cut end in a
// checksum of the bucket, so that two buckets do not share an account.
std::string AccountIdOf(const std::string& bucket);

}  // namespace seamount::stores
