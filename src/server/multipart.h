// Reads a multipart body (multipart/related of uploads, multipart/mixed of batches) as a stream: a part's headers are
// held, its content is handed on as it comes, so that an upload of any size passes through a fixed buffer.
//
// Lines may end in CRLF or, as some clients write them, in LF alone. Which of the two is told by the first boundary
// line; the delimiter's line break belongs to the delimiter, so content that ends in CR is kept whole.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http_client.h"

namespace seamount::server {

class MultipartReader {
 public:
  // Reads more of the body; 0 at its end.
  using Read = std::function<Result<size_t>(std::span<std::byte> into)>;

  MultipartReader(Read read, std::string_view boundary);

  // Moves to the next part, past what is left of the present one; its headers, or nullopt after the last part.
  Result<std::optional<net::Headers>> NextPart();
  // The next bytes of the part; 0 at its end.
  Result<size_t> ReadPart(std::span<std::byte> into);

 private:
  Result<bool> Fill();
  Result<std::string> ReadLine();
  Result<void> SkipPreamble();
  void Consume(size_t bytes);

  Read read_;
  std::string boundary_;   // "--" and the boundary
  std::string delimiter_;  // line break and boundary_, once the line break is known
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool in_part_ = false;
  bool finished_ = false;
};

// The boundary of "multipart/related; boundary=abc" (quoted or not); nullopt if there is none or it is not one.
std::optional<std::string> BoundaryOf(std::string_view content_type);

}  // namespace seamount::server
