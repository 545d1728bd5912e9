#include "server/rows.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/text.h"

namespace seamount::server {

std::string ContentToText(const std::vector<Extent>& content) {
  if (content.size() == 1) return content.front().blob;
  std::string text;
  for (const Extent& extent : content) {
    if (!text.empty()) text += ',';
    text += extent.blob + ":" + std::to_string(extent.size);
  }
  return text;
}

Result<std::vector<Extent>> ContentFromText(std::string_view text, uint64_t size) {
  std::vector<Extent> content;
  if (text.empty()) return content;
  if (text.find(':') == std::string_view::npos) {
    content.push_back({std::string(text), size});
    return content;
  }
  uint64_t total = 0;
  for (const std::string_view part : base::Split(text, ',')) {
    const size_t colon = std::min(part.find(':'), part.size());
    Extent extent{std::string(part.substr(0, colon)), 0};
    const std::string_view digits = part.substr(std::min(colon + 1, part.size()));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), extent.size);
    if (error != std::errc() || end != digits.data() + digits.size())
      return base::DataLoss("catalog: a content that cannot be read: " + std::string(part));
    total += extent.size;
    content.push_back(std::move(extent));
  }
  if (total != size) return base::DataLoss("catalog: the parts of a content are not as long as the content");
  return content;
}

std::string EtagOf(const ObjectRow& row) {
  return base::Base64Encode(base::AsBytes(std::to_string(row.generation) + "/" + std::to_string(row.metageneration)));
}

}  // namespace seamount::server
