// A key file after its server has got another address.
//
// A key names the addresses of its server, and is sent to no other. The account and the key are the server's and
// outlive a change of name or port; only what the file says of the address is wrong then.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"

namespace seamount::stores {

// Writes `endpoint` into the key file in the place of the addresses in it, once the server there has taken the key.
// The file is replaced at once, mode 0600, or stays as it is. InvalidArgument: no key file, or no URL; what the server
// says otherwise.
Result<void> MoveKey(const std::string& key_file, const std::string& endpoint, net::HttpClient& http,
                     const CallContext& context);

}  // namespace seamount::stores
