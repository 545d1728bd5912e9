#include "server/list_json.h"

#include <array>
#include <cstdio>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/utf8.h"
#include "gcs/wire.h"
#include "server/service.h"

namespace seamount::server {
namespace {

// Appends a JSON string; what is not UTF-8 becomes U+FFFD.
void AppendString(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t length = base::Utf8Length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (first == '"' || first == '\\') {
      out += '\\';
      out += static_cast<char>(first);
    } else if (first < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", first);
      out += escaped.data();
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  out += '"';
}

// The members of one JSON object, those that were asked for.
class Members {
 public:
  Members(std::string& out, const ListFields& fields) : out_(out), fields_(fields) { out_ += '{'; }
  ~Members() { out_ += '}'; }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  // Whether it is wanted; then its value follows.
  bool Key(std::string_view name) {
    if (!fields_.WantsOfItem(name)) return false;
    if (!first_) out_ += ',';
    first_ = false;
    AppendString(out_, name);
    out_ += ':';
    return true;
  }
  void Text(std::string_view name, std::string_view value) {
    if (Key(name)) AppendString(out_, value);
  }

 private:
  std::string& out_;
  const ListFields& fields_;
  bool first_ = true;
};

std::string Time(Micros micros) { return gcs::FormatTime(base::SystemTime(std::chrono::microseconds(micros))); }

void AppendItem(std::string& out, const ObjectRow& row, const ListFields& fields, const std::string& bucket,
                const std::string& base_url) {
  const std::string generation = std::to_string(row.generation);
  const std::string created = Time(row.created);
  const std::string path = gcs::ObjectPath(bucket, row.name);
  Members members(out, fields);
  members.Text("kind", "storage#object");
  members.Text("id", bucket + "/" + row.name + "/" + generation);
  members.Text("name", row.name);
  members.Text("bucket", bucket);
  members.Text("generation", generation);
  members.Text("metageneration", std::to_string(row.metageneration));
  members.Text("size", std::to_string(row.size));
  for (const char* time : {"timeCreated", "timeFinalized", "timeStorageClassUpdated"}) members.Text(time, created);
  members.Text("updated", Time(row.updated));
  if (!row.fields.contains("storageClass")) members.Text("storageClass", "STANDARD");
  if (!row.content_type.empty()) members.Text("contentType", row.content_type);
  if (const std::optional<uint32_t> crc32c = row.crc32c) members.Text("crc32c", base::Crc32cToBase64(*crc32c));
  if (!row.md5.empty()) members.Text("md5Hash", row.md5);
  members.Text("etag", EtagOf(row));
  members.Text("selfLink", base_url + path);
  members.Text("mediaLink", base_url + "/download" + path + "?generation=" + generation + "&alt=media");
  for (const auto& [name, value] : row.fields) members.Text(name, value);
  if (row.metadata.empty() || !members.Key("metadata")) return;
  static const ListFields all;
  Members metadata(out, all);
  for (const auto& [name, value] : row.metadata) metadata.Text(name, value);
}

// Appends `append(element)` of each in brackets.
template <class Elements, class Append>
void AppendArray(std::string& out, const Elements& elements, Append append) {
  out += '[';
  bool first = true;
  for (const auto& element : elements) {
    if (!first) out += ',';
    first = false;
    append(element);
  }
  out += ']';
}

// Takes what comes before the next comma outside of parentheses.
std::string_view TakeSelection(std::string_view& text) {
  int depth = 0;
  size_t end = 0;
  for (; end < text.size() && (text[end] != ',' || depth > 0); ++end)
    depth += text[end] == '(' ? 1 : text[end] == ')' ? -1 : 0;
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

}  // namespace

// "metadata", "metadata/k", "owner(entity)": the first name; '*' is every field.
void ListFields::AddOfItem(std::string_view field) {
  field = field.substr(0, field.find_first_of("/("));
  if (field == "*") whole_items_ = true;
  if (!field.empty()) item_fields_.emplace(field);
}

void ListFields::Add(std::string_view part) {
  const size_t end = std::min(part.find_first_of("/("), part.size());
  const std::string_view name = part.substr(0, end);
  std::string_view inner = part.substr(end);
  if (name.empty()) return;
  parts_.emplace(name);
  if (name != "items") return;
  if (inner.empty()) whole_items_ = true;
  if (inner.starts_with('(') && inner.ends_with(')')) inner.remove_suffix(1);
  if (!inner.empty()) inner.remove_prefix(1);
  while (!inner.empty()) AddOfItem(TakeSelection(inner));
}

ListFields ListFields::Parse(std::string_view text) {
  ListFields fields;
  while (!text.empty()) fields.Add(TakeSelection(text));
  if (fields.parts_.contains("*")) return {};
  if (fields.whole_items_) fields.item_fields_.clear();
  return fields;
}

std::string ListJson(const Listing& listing, const ListFields& fields, const std::string& bucket,
                     const std::string& base_url) {
  std::string out = "{\"kind\":\"storage#objects\"";
  if (!listing.objects.empty() && fields.Wants("items")) {
    out += ",\"items\":";
    AppendArray(out, listing.objects, [&](const ObjectRow& row) { AppendItem(out, row, fields, bucket, base_url); });
  }
  if (!listing.prefixes.empty() && fields.Wants("prefixes")) {
    out += ",\"prefixes\":";
    AppendArray(out, listing.prefixes, [&](const std::string& prefix) { AppendString(out, prefix); });
  }
  // Without it a client that forgot to ask for it takes the first page for all there is.
  if (!listing.next_page_token.empty()) {
    out += ",\"nextPageToken\":";
    AppendString(out, listing.next_page_token);
  }
  return out + "}";
}

}  // namespace seamount::server
