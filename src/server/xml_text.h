// The XML that the XML API speaks (https://cloud.google.com/storage/docs/xml-api): errors, listings, multipart uploads.
// pugixml stays in xml_text.cc. The reader takes untrusted text: malformed input is InvalidArgument.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/rows.h"

namespace seamount::server {

// Control characters, U+FFFE and U+FFFF have no place in XML 1.0: they become references (&#x1;), as in Amazon's
// answers, which lenient readers take for what they are and strict ones refuse; none takes them for another name. What
// is not UTF-8 becomes '?'.
std::string XmlEscape(std::string_view text);

// The code is that of the status, but for messages that begin so: BadDigest, and InvalidDigest.
inline constexpr std::string_view kWrongDigest = "Provided ";
inline constexpr std::string_view kNoDigest = "Not an MD5 hash: ";
std::string XmlErrorText(int status, const std::string& message);

struct XmlListQuery {
  std::string bucket;
  ListQuery list;
  bool version_2 = false;    // list-type=2
  std::string after;         // start-after or marker, as the client gave it
  bool url_encoded = false;  // encoding-type=url
};
std::string XmlListText(const XmlListQuery& query, const Listing& listing);

std::string XmlCopyText(const ObjectRow& row);
std::string XmlStartUploadText(const std::string& bucket, const std::string& object, const std::string& upload_id);
std::string XmlFinishUploadText(const std::string& location, const std::string& bucket, const ObjectRow& row);

// Of CompleteMultipartUpload: the parts that make the object, as listed.
struct XmlPart {
  uint32_t number = 0;
  std::string etag;  // without quotes
};
Result<std::vector<XmlPart>> ParseFinishUpload(std::string_view xml);

}  // namespace seamount::server
