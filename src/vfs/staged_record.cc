#include "vfs/staged_record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace seamount::vfs {
namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string ToJson(const StagedRecord& record) {
  const std::string size = record.size_bytes ? fmt::format("  \"size_bytes\": {},\n", *record.size_bytes) : "";
  return fmt::format(
      "{{\n  \"source\": {},\n  \"key\": {},\n  \"base_generation\": {},\n{}  \"whole\": {},\n  \"reason\": {}\n}}\n",
      Quoted(record.source), Quoted(record.key), Quoted(record.base_generation), size, record.whole,
      Quoted(record.reason));
}

// All bytes, and no room for holes.
Outcome<void> CopyWhole(int from, int to) {
  const off_t size = lseek(from, 0, SEEK_END);
  if (size < 0 || ftruncate(to, size) != 0) return FromErrno(errno, "copying the staged file");
  std::vector<char> buffer(1 << 20);
  for (off_t at = 0; at < size;) {
    const off_t data = lseek(from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return {};  // nothing but a hole follows
    at = std::max(at, data);
    const ssize_t got = pread(from, buffer.data(), buffer.size(), at);
    if (got == 0) return {};
    if (got < 0) return FromErrno(errno, "reading the staged file");
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = pwrite(to, buffer.data() + done, static_cast<size_t>(got - done), at + done);
      if (put < 0) return FromErrno(errno, "copying the staged file");
      done += put;
    }
    at += got;
  }
  return {};
}

}  // namespace

std::string LocalName(std::string_view key) {
  constexpr size_t kLongest = 160;
  if (key.size() > kLongest) key.remove_prefix(key.size() - kLongest);
  std::string name(key);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '/' || c == '\n'; }, '_');
  return name;
}

Outcome<base::Fd> WriteRecord(const base::Fd& folder, const std::string& name, const StagedRecord& record) {
  const std::string file = name + ".json";
  base::Fd note(openat(folder.get(), file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  if (!note) return FromErrno(errno, "making '" + file + "'");
  const std::string text = ToJson(record);
  const ssize_t put = write(note.get(), text.data(), text.size());
  if (put == static_cast<ssize_t>(text.size())) return note;
  const int error = put < 0 ? errno : ENOSPC;
  unlinkat(folder.get(), file.c_str(), 0);
  return FromErrno(error, "writing '" + file + "'");
}

Outcome<std::optional<base::Fd>> GiveName(const base::Fd& file, const base::Fd& folder, const std::string& name) {
  const std::string self = "/proc/self/fd/" + std::to_string(file.get());
  if (linkat(AT_FDCWD, self.c_str(), folder.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0)
    return std::optional<base::Fd>();
  if (errno == EEXIST) return FromErrno(errno, "naming '" + name + "'");
  base::Fd copy(openat(folder.get(), name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!copy) return FromErrno(errno, "making '" + name + "'");
  if (auto copied = CopyWhole(file.get(), copy.get()); !copied) {
    unlinkat(folder.get(), name.c_str(), 0);
    return copied.error();
  }
  return std::optional(std::move(copy));
}

}  // namespace seamount::vfs
