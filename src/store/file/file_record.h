// What a file store keeps of an object beside its bytes: checksum, type, metadata. As text, in the extended attribute
// "user.seamount" of the file, or, where the file system has none, in a file of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "store/store.h"

namespace seamount::store {

struct FileRecord {
  // Of the file it was written for. A file that somebody has changed since no longer matches, and its record is void.
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;
  std::optional<uint32_t> crc32c;  // null: of a file that somebody else wrote
  std::string content_type;
  std::map<std::string, std::string> metadata;
  ContentHeaders headers;
};

std::string EncodeFileRecord(const FileRecord& record);
// Nothing when the text is no record: it may come from anywhere.
std::optional<FileRecord> DecodeFileRecord(std::string_view text);

}  // namespace seamount::store
