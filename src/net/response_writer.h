// How the HTTP server writes a response: head and body in one system call, files by sendfile, faults for tests.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "net/http_server.h"
#include "net/server_stream.h"

namespace seamount::net {

// Writes one response. The number of body bytes sent; an error where the connection is of no more use.
class ResponseWriter {
 public:
  ResponseWriter(ServerStream& stream, const ServerResponse& response, bool head_only, bool close)
      : stream_(stream), response_(response), head_only_(head_only), close_(close) {}

  Result<void> Write();
  uint64_t sent() const { return sent_; }

 private:
  Result<void> WriteFaulty(const std::string& head);
  Result<void> WriteBody(uint64_t begin, uint64_t end);
  uint64_t BodyBytes() const { return response_.file ? response_.file->length : response_.body.size(); }
  // Empty where a header of the handler's cannot be sent.
  std::string Head() const;

  ServerStream& stream_;
  const ServerResponse& response_;
  const bool head_only_;
  const bool close_;
  uint64_t sent_ = 0;
};

}  // namespace seamount::net
