// A bucket behind the GCS JSON API as a Store: Google's, or any server that speaks it.
//
// How it works: each Store call is one request, a Read too: what it must know of the object comes in the answer's
// headers. Exceptions: a Write of a large object is a resumable session (upload.h); a Read of nothing and a Copy with
// new metadata begin with a Stat; a Copy of a very large object may take several rewrite requests. Nothing is retried
// here but the chunks of a session: that is the retry decorator's work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "auth/request_signer.h"
#include "base/clock.h"
#include "base/result.h"
#include "gcs/upload.h"
#include "net/http_client.h"
#include "store/store.h"

namespace seamount::gcs {

struct GcsOptions {
  std::string endpoint = "https://storage.googleapis.com";  // scheme://host[:port][/path]
  std::string bucket;
  UploadOptions upload;
  // A whole object is read into memory at once; what is larger has to be read by ranges.
  uint64_t max_read_bytes = 16ULL << 30;
  base::Clock* clock = &base::RealClock();
};

// Thread-safe. InvalidArgument when the endpoint or the bucket's name cannot be one. Nothing is asked of the server.
Result<std::unique_ptr<Store>> MakeGcsStore(const GcsOptions& options, std::shared_ptr<net::HttpClient> http,
                                            std::shared_ptr<auth::RequestSigner> signer);

}  // namespace seamount::gcs
