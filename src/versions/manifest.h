// A version: which files a folder had, and of which chunks each is made. Written once, last, and never changed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "versions/digest.h"

namespace seamount::versions {

// In a folder that a version is being restored to: what has not all its bytes yet. No version has files in it.
inline constexpr const char* kUnfinished = ".seamount-restore";

struct Chunk {
  Digest digest;
  uint64_t size = 0;

  bool operator==(const Chunk&) const = default;
};

struct File {
  std::string path;  // below the folder, with '/'
  uint64_t size = 0;
  bool executable = false;
  std::vector<Chunk> chunks;  // in order

  bool operator==(const File&) const = default;
};

// A symbolic link to something else in the folder, as the caches of model hubs are made of.
struct Link {
  std::string path, target;

  bool operator==(const Link&) const = default;
};

struct Manifest {
  std::string name;
  std::string saved;  // when, RFC 3339
  std::string message;
  std::vector<File> files;           // by path
  std::vector<Link> links;           // by path
  std::vector<std::string> folders;  // those with nothing in them

  uint64_t SizeBytes() const;
  const File* FindFile(std::string_view path) const;
  // The same content, whatever it is called and whenever it was saved.
  bool SameContent(const Manifest& other) const;
};

std::string ManifestJson(const Manifest& manifest);
// DataLoss for what is no manifest, InvalidArgument for one of another format. Any bytes are safe input, and what is
// read can be written to a folder: no path leads out of it, none lies below a file or a link.
Result<Manifest> ParseManifest(std::string_view json);

// The name of a version or a tag: letters, digits, '.', '_', '-', '+', at most 100, not beginning with '.' or '-'.
Result<void> CheckName(const std::string& name);
// What ParseManifest demands of paths and links; InvalidArgument names the one that is wrong.
Result<void> CheckPaths(const Manifest& manifest);

}  // namespace seamount::versions
