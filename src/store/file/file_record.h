// What a file store keeps of an object beside its bytes: checksum, type, metadata. As text, in the extended attribute
// "user.seamount" of the file, or, where the file system has none, in a file of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace seamount::store {

struct FileRecord {
  // Of the file it was written for. A file that somebody has changed since no longer matches, and its record is void.
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;
  uint32_t crc32c = 0;
  std::string content_type;
  std::map<std::string, std::string> metadata;
};

std::string EncodeFileRecord(const FileRecord& record);
// Nothing when the text is no record: it may come from anywhere.
std::optional<FileRecord> DecodeFileRecord(std::string_view text);

}  // namespace seamount::store
