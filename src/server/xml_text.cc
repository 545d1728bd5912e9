#include "server/xml_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <pugixml.hpp>

#include "base/encoding.h"
#include "base/utf8.h"
#include "gcs/wire.h"

namespace seamount::server {
namespace {

constexpr char kHead[] = "<?xml version='1.0' encoding='UTF-8'?>";
constexpr char kNamespace[] = " xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>";

std::string_view ErrorName(int status) {
  switch (status) {
    case 400: return "InvalidArgument";
    case 401: return "AuthenticationRequired";
    case 403: return "AccessDenied";
    case 404: return "NoSuchKey";
    case 412: return "PreconditionFailed";
    case 416: return "InvalidRange";
    case 503: return "ServiceUnavailable";
    case 507: return "InsufficientStorage";
    default: return "InternalError";
  }
}

// One character as UTF-8 that XML 1.0 has no place for, as a reference; empty for all others.
std::string ReferenceTo(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (character == "\xef\xbf\xbe") return "&#xFFFE;";
  if (character == "\xef\xbf\xbf") return "&#xFFFF;";
  if (character.size() > 1 || first >= 0x20 || first == '\t') return "";
  std::array<char, 8> reference{};
  std::snprintf(reference.data(), reference.size(), "&#x%X;", first);
  return reference.data();
}

std::string Element(const char* name, std::string_view text) {
  std::string element = "<";
  element.append(name).append(">").append(XmlEscape(text)).append("</").append(name).append(">");
  return element;
}

std::string Quoted(const std::string& etag) { return "\"" + etag + "\""; }

std::string TimeText(Micros micros) { return gcs::FormatTime(base::SystemTime(std::chrono::microseconds(micros))); }

std::string ContentsText(const ObjectRow& row, const std::string& shown_name) {
  return "<Contents>" + Element("Key", shown_name) + Element("Generation", std::to_string(row.generation)) +
         Element("MetaGeneration", std::to_string(row.metageneration)) +
         Element("LastModified", TimeText(row.updated)) + Element("ETag", Quoted(EtagOf(row))) +
         Element("Size", std::to_string(row.size)) + "</Contents>";
}

}  // namespace

std::string XmlEscape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = base::Utf8Length(text);
    const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
    switch (character.front()) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: {
        const std::string reference = ReferenceTo(character);
        out += length == 0 ? "?" : reference.empty() ? character : std::string_view(reference);
      }
    }
    text.remove_prefix(character.size());
  }
  return out;
}

std::string XmlErrorText(int status, const std::string& message) {
  const std::string_view code = message.starts_with(kWrongDigest) ? "BadDigest"
                                : message.starts_with(kNoDigest)  ? "InvalidDigest"
                                                                  : ErrorName(status);
  return kHead + std::string("<Error>") + Element("Code", code) + Element("Message", message) + "</Error>";
}

std::string XmlListText(const XmlListQuery& query, const Listing& listing) {
  const auto shown = [&](const std::string& name) { return query.url_encoded ? base::PercentEncode(name) : name; };
  const bool truncated = !listing.next_page_token.empty();
  std::string xml = kHead + std::string("<ListBucketResult") + kNamespace;
  xml += Element("Name", query.bucket) + Element("Prefix", shown(query.list.prefix));
  if (!query.list.delimiter.empty()) xml += Element("Delimiter", shown(query.list.delimiter));
  xml += Element("MaxKeys", std::to_string(query.list.max_results));
  xml += Element("IsTruncated", truncated ? "true" : "false");
  if (query.url_encoded) xml += Element("EncodingType", "url");
  if (query.version_2) {
    xml += Element("KeyCount", std::to_string(listing.objects.size() + listing.prefixes.size()));
    if (!query.after.empty()) xml += Element("StartAfter", shown(query.after));
    if (!query.list.page_token.empty()) xml += Element("ContinuationToken", query.list.page_token);
    if (truncated) xml += Element("NextContinuationToken", listing.next_page_token);
  } else {
    xml += Element("Marker", shown(query.after));
    // The greatest name or prefix of this page, since the next begins after it.
    std::string last = listing.objects.empty() ? "" : listing.objects.back().name;
    if (!listing.prefixes.empty()) last = std::max(last, listing.prefixes.back());
    if (truncated) xml += Element("NextMarker", shown(last));
  }
  for (const ObjectRow& row : listing.objects) xml += ContentsText(row, shown(row.name));
  for (const std::string& prefix : listing.prefixes)
    xml += "<CommonPrefixes>" + Element("Prefix", shown(prefix)) + "</CommonPrefixes>";
  return xml + "</ListBucketResult>";
}

std::string XmlCopyText(const ObjectRow& row) {
  return kHead + std::string("<CopyObjectResult") + kNamespace + Element("ETag", Quoted(EtagOf(row))) +
         Element("LastModified", TimeText(row.updated)) + "</CopyObjectResult>";
}

std::string XmlStartUploadText(const std::string& bucket, const std::string& object, const std::string& upload_id) {
  return kHead + std::string("<InitiateMultipartUploadResult") + kNamespace + Element("Bucket", bucket) +
         Element("Key", object) + Element("UploadId", upload_id) + "</InitiateMultipartUploadResult>";
}

std::string XmlFinishUploadText(const std::string& location, const std::string& bucket, const ObjectRow& row) {
  return kHead + std::string("<CompleteMultipartUploadResult") + kNamespace + Element("Location", location) +
         Element("Bucket", bucket) + Element("Key", row.name) + Element("ETag", Quoted(EtagOf(row))) +
         "</CompleteMultipartUploadResult>";
}

Result<std::vector<XmlPart>> ParseFinishUpload(std::string_view xml) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size(), pugi::parse_minimal | pugi::parse_escapes);
  if (!parsed) return base::InvalidArgument(std::string("CompleteMultipartUpload: ") + parsed.description());
  const pugi::xml_node root = document.child("CompleteMultipartUpload");
  if (!root) return base::InvalidArgument("CompleteMultipartUpload: the body is another document");
  std::vector<XmlPart> parts;
  for (const pugi::xml_node& node : root.children("Part")) {
    const auto number = gcs::ParseUint(node.child_value("PartNumber"));
    if (!number || *number == 0 || *number > kMaxPartNumber)
      return base::InvalidArgument("CompleteMultipartUpload: PartNumber is not a number from 1 to 10000");
    if (!parts.empty() && *number <= parts.back().number)
      return base::InvalidArgument("CompleteMultipartUpload: the parts are not in ascending order");
    std::string etag = node.child_value("ETag");
    if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
    parts.push_back({static_cast<uint32_t>(*number), std::move(etag)});
  }
  if (parts.empty()) return base::InvalidArgument("CompleteMultipartUpload: no Part");
  return parts;
}

}  // namespace seamount::server
