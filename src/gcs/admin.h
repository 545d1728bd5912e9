// The administrative calls that setting up a bucket takes, in the shapes of Google's storage and IAM APIs, which a
// Seamount server has too. On Google the two live on different hosts; on a Seamount server both are one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/request_signer.h"
#include "base/clock.h"
#include "base/result.h"
#include "gcs/roles.h"
#include "gcs/service_client.h"
#include "net/http_client.h"

namespace seamount::gcs {

// Thread-safe. Errors name what was asked and of which bucket or account; no key ever appears in one.
class AdminClient {
 public:
  static Result<std::unique_ptr<AdminClient>> Make(const std::string& endpoint, const std::string& project,
                                                   std::shared_ptr<net::HttpClient> http,
                                                   std::shared_ptr<auth::RequestSigner> signer,
                                                   base::Clock& clock = base::RealClock());

  // Makes a bucket with uniform access and without public access; an empty location is the server's default. At Google
  // what is deleted or overwritten can be had back for a week (soft delete, versions).
  // False: it was there, and is ours to use.
  Result<bool> EnsureBucket(const std::string& bucket, const std::string& location, const CallContext& context);

  // Where it lies: a region, or US, EU, ASIA, or a pair of regions.
  Result<std::string> LocationOf(const std::string& bucket, const CallContext& context);

  // The names of the buckets of the project.
  Result<std::vector<std::string>> ListBuckets(const CallContext& context);

  struct Account {
    std::string email;
    bool created = false;  // false: it was there
  };
  Result<Account> EnsureAccount(const std::string& account_id, const std::string& display_name,
                                const CallContext& context);
  struct AccountInfo {
    std::string email, display_name;
    bool disabled = false;
  };
  Result<std::vector<AccountInfo>> ListAccounts(const CallContext& context);
  // A disabled account's keys and tokens are refused, until it is enabled again.
  Result<void> DisableAccount(const std::string& email, bool disabled, const CallContext& context);
  Result<void> DeleteAccount(const std::string& email, const CallContext& context);

  // Adds `email` to the members of `role` on the bucket, under the policy's etag. False: it was among them.
  // `may_be_new`: a server that has not heard of the account is asked again for a minute.
  Result<bool> GrantBucketRole(const std::string& bucket, const std::string& email, const std::string& role,
                               bool may_be_new, const CallContext& context);

  // The roles that the bucket's policy gives to `email` without a condition.
  Result<std::vector<std::string>> RolesOn(const std::string& bucket, const std::string& email,
                                           const CallContext& context);
  // What the caller itself may do in the bucket, whoever gave it that.
  Result<Rights> RightsOn(const std::string& bucket, const CallContext& context);

  // A new key of the account, as the text of its file. Deleted again with DeleteKey(email, id).
  struct NewKey {
    std::string id;
    auth::Secret file;
  };
  // `just_made`: the account is new, and servers that have not heard of it (404) are asked again for a minute. Nothing:
  // the organisation forbids keys.
  Result<std::optional<NewKey>> CreateKey(const std::string& email, bool just_made, const CallContext& context);
  // Lets `member` ("user:me@example.org") act as the account. False: it may already.
  Result<bool> GrantActing(const std::string& email, const std::string& member, bool just_made,
                           const CallContext& context);
  struct KeyInfo {
    std::string id;
    std::string made;  // as the server has it: RFC 3339
  };
  Result<std::vector<KeyInfo>> ListKeys(const std::string& email, const CallContext& context);
  Result<void> DeleteKey(const std::string& email, const std::string& key_id, const CallContext& context);

 private:
  AdminClient(std::string project, std::unique_ptr<ServiceClient> storage, std::unique_ptr<ServiceClient> iam,
              base::Clock& clock);
  std::string AccountPath(const std::string& email) const;
  Result<net::HttpResponse> Send(const ServiceClient& client, const std::string& method, const std::string& url,
                                 const std::string& body, const CallContext& context) const;

  const std::string project_;
  const std::unique_ptr<ServiceClient> storage_;
  const std::unique_ptr<ServiceClient> iam_;
  base::Clock& clock_;
};

}  // namespace seamount::gcs
