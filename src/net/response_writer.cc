#include "net/response_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <chrono>
#include <thread>

#include "base/log.h"
#include "base/time_text.h"

namespace seamount::net {
namespace {

namespace http = boost::beast::http;

bool HasBody(int status) { return status >= 200 && status != 204 && status != 304; }

// The head promised what cannot be sent: nobody but the log can be told.
Error CutOff(const Error& error) {
  base::Log(base::LogLevel::kError, "an answer was cut off: " + error.ToString());
  return base::Unavailable("an answer was cut off");
}

}  // namespace

std::string ResponseWriter::Head() const {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response_.status));
  std::string head = "HTTP/1.1 " + std::to_string(response_.status) + " " + std::string(reason) + "\r\n";
  bool has_length = false;
  for (const auto& [name, value] : response_.headers.entries()) {
    if (!IsOneLine(name) || !IsOneLine(value)) return "";
    // Only of HEAD does the handler know better: it need not have the body at hand.
    if (EqualNames(name, "content-length")) {
      if (!head_only_ || BodyBytes() > 0) continue;
      has_length = true;
    }
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!has_length && HasBody(response_.status)) head += "Content-Length: " + std::to_string(BodyBytes()) + "\r\n";
  head += "Date: " + base::HttpDate(std::chrono::system_clock::now()) + "\r\n";
  head += close_ ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
  return head;
}

// The part [begin, end) of the body.
Result<void> ResponseWriter::WriteBody(uint64_t begin, uint64_t end) {
  if (begin == end) return {};
  if (!response_.file) {
    sent_ += end - begin;
    return stream_.Write(response_.body.span().subspan(begin, end - begin));
  }
  while (begin < end) {
    auto part = response_.file->next(begin);
    if (!part) return CutOff(part.error());
    uint64_t sent = 0;
    const uint64_t length = std::min(part->length, end - begin);
    auto written = part->bytes.empty() ? stream_.SendFile(part->fd, part->offset, length, sent)
                                       : stream_.Write(part->bytes.span().first(length));
    if (written && !part->bytes.empty()) sent = length;
    sent_ += sent;
    begin += sent;
    if (!written) return written;
  }
  return {};
}

Result<void> ResponseWriter::WriteFaulty(const std::string& head) {
  const ServerResponse::Fault& fault = *response_.fault;
  const uint64_t size = head_only_ || !HasBody(response_.status) ? 0 : BodyBytes();
  const uint64_t first = std::min(size, fault.after_bytes);
  // Before anything at all was sent, a stall holds back the head, too.
  const bool at_once = fault.after_bytes == 0;
  if (at_once) std::this_thread::sleep_for(fault.stall);
  if (!fault.without_head) {
    SEAMOUNT_TRY(stream_.Write(base::AsBytes(head)));
    SEAMOUNT_TRY(WriteBody(0, first));
  }
  if (!at_once) std::this_thread::sleep_for(fault.stall);
  if (!fault.reset) return WriteBody(first, size);
  stream_.Reset();
  return base::Unavailable("reset, as a test asked for");
}

Result<void> ResponseWriter::Write() {
  const std::string head = Head();
  if (head.empty()) return base::Internal("a response header contains a line break");
  if (response_.fault) return WriteFaulty(head);
  if (head_only_ || !HasBody(response_.status)) return stream_.Write(base::AsBytes(head));
  if (response_.file) {
    // Held back for the file's first bytes; with none to come it would wait 200 ms.
    const auto more = response_.file->length > 0 ? ServerStream::More::kYes : ServerStream::More::kNo;
    SEAMOUNT_TRY(stream_.Write(base::AsBytes(head), {}, more));
    return WriteBody(0, response_.file->length);
  }
  SEAMOUNT_TRY(stream_.Write(base::AsBytes(head), response_.body.span()));
  sent_ = response_.body.size();
  return {};
}

ServerResponse::FileBody BodyOfFile(int fd, uint64_t offset, uint64_t length) {
  const std::shared_ptr<void> closer(nullptr, [fd](void*) { close(fd); });
  return {length, [closer, fd, offset, length](uint64_t position) -> Result<ServerResponse::FilePart> {
            return ServerResponse::FilePart{fd, offset + position, length - position};
          }};
}

}  // namespace seamount::net
