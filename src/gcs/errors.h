// HTTP answers of the GCS API as errors: the one place where a status becomes an ErrorCode.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

namespace seamount::gcs {

// Total: every status that is not the success a call expects. `reason` is that of the JSON error body, empty if none.
base::ErrorCode CodeOfStatus(int status, std::string_view reason);

// "<what>: <the server's message>", with what to do next where that is known. `identity` is RequestSigner::Describe().
Error ErrorOfResponse(const net::HttpResponse& response, std::string_view what, std::string_view bucket,
                      std::string_view identity);

// Whether a 404 speaks of the bucket; otherwise the object in it is what is absent.
bool SaysBucketIsAbsent(const net::HttpResponse& response);

}  // namespace seamount::gcs
