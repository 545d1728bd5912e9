// Every handler: what api.cc calls for an operation.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/access_token.h"
#include "server/service.h"

namespace seamount::server {

// bucket_api.cc
Result<ServerResponse> ListBuckets(Service& service, Call& call);
Result<ServerResponse> InsertBucket(Service& service, Call& call);
Result<ServerResponse> GetBucket(Service& service, Call& call);
Result<ServerResponse> UpdateBucket(Service& service, Call& call);
Result<ServerResponse> DeleteBucket(Service& service, Call& call);
Result<ServerResponse> GetBucketPolicy(Service& service, Call& call);
Result<ServerResponse> SetBucketPolicy(Service& service, Call& call);
Result<ServerResponse> TestBucketPermissions(Service& service, Call& call);

// object_read.cc
Result<ServerResponse> ListObjects(Service& service, Call& call);
Result<ServerResponse> GetObject(Service& service, Call& call);
Result<ServerResponse> XmlGetObject(Service& service, Call& call);

// object_write.cc
Result<ServerResponse> UpdateObject(Service& service, Call& call);
Result<ServerResponse> DeleteObject(Service& service, Call& call);
Result<ServerResponse> ComposeObject(Service& service, Call& call);
Result<ServerResponse> CopyObject(Service& service, Call& call);  // and rewrite
Result<ServerResponse> MoveObject(Service& service, Call& call);

// upload_api.cc
Result<ServerResponse> InsertObject(Service& service, Call& call);

// xml_api.cc
Result<ServerResponse> XmlPutObject(Service& service, Call& call);  // and copy
Result<ServerResponse> XmlListObjects(Service& service, Call& call);

// xml_upload_api.cc
Result<ServerResponse> XmlStartUpload(Service& service, Call& call);
Result<ServerResponse> XmlPutPart(Service& service, Call& call);
Result<ServerResponse> XmlFinishUpload(Service& service, Call& call);
Result<ServerResponse> XmlAbortUpload(Service& service, Call& call);

// resumable_api.cc
Result<ServerResponse> StartUpload(Service& service, Call& call);
Result<ServerResponse> ResumeUpload(Service& service, Call& call);

// Ends sessions that are a week old, or whose file is gone; removes the files of those that ended, and puts aside files
// without a session.
Result<BlobStore::Swept> EndStaleSessions(Catalog& catalog, BlobStore& blobs);

// Gives back the space of uploads that nobody goes on with; looks once an hour.
void EndOldSessions(Service& service);

// On a full disk: ends the session that was left alone longest, where that is an hour or more. False: there is none.
bool EndIdlestSession(Service& service);

// account_api.cc
// The account of the route: by email or unique id, its project named or "-".
Result<std::shared_ptr<const AccountRow>> FindAccount(Service& service, const Call& call);
Result<ServerResponse> InsertAccount(Service& service, Call& call);
Result<ServerResponse> ListAccounts(Service& service, Call& call);
Result<ServerResponse> GetAccount(Service& service, Call& call);
Result<ServerResponse> DeleteAccount(Service& service, Call& call);
Result<ServerResponse> SetAccountDisabled(Service& service, Call& call);
Result<ServerResponse> InsertKey(Service& service, Call& call);
Result<ServerResponse> ListKeys(Service& service, Call& call);
Result<ServerResponse> GetKey(Service& service, Call& call);
Result<ServerResponse> DeleteKey(Service& service, Call& call);

// token_exchange.cc
inline constexpr std::string_view kExchangeGrantType = "urn:ietf:params:oauth:grant-type:token-exchange";
Result<ServerResponse> ExchangeToken(Service& service, const net::RequestTarget& form);
Result<ServerResponse> GenerateAccessToken(Service& service, Call& call);

// token_api.cc
Result<ServerResponse> GrantToken(Service& service, Call& call);
int64_t NowSeconds(Service& service);             // since 1970, as tokens have it
ServerResponse NotKept(ServerResponse response);  // by caches on its way
ServerResponse RefuseToken(const std::string& error, const std::string& description);
// Who such a token is; nullopt where the account is not as it was, or the key that it was made with is gone.
std::optional<Identity> IdentityOf(Service& service, const TokenClaims& claims);
// Who sends this request: anonymous without an Authorization header; Unauthenticated for one that is not (or no
// longer) good.
Result<Identity> Authenticate(Service& service, const ServerRequest& request, const std::string& host_url);

// fault_api.cc: POST /retry_test, GET and DELETE /retry_test/ID.
Result<ServerResponse> RetryTest(Service& service, Call& call);
// `answer`, with what a retry test that the request names asks to go wrong with this operation.
ServerResponse AnswerWithFault(Service& service, ServerRequest& request, std::string_view operation,
                               const std::function<ServerResponse()>& answer);

// batch_api.cc. `answer` handles one request of the batch as if it had come alone.
Result<ServerResponse> Batch(Call& call, const std::function<ServerResponse(ServerRequest&)>& answer);

}  // namespace seamount::server
