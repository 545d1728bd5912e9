// Manifests of versions: what is read is written again as it was, and leads nowhere out of a folder.
#include <cstdlib>
#include <string_view>

#include "versions/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::versions;
  const auto manifest = ParseManifest(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!manifest) return 0;
  for (const File& file : manifest->files) {
    uint64_t bytes = 0;
    for (const Chunk& chunk : file.chunks) bytes += chunk.size;
    if (bytes != file.size || file.path.starts_with('/') || file.path.starts_with("../")) std::abort();
  }
  if (!CheckPaths(*manifest)) std::abort();
  const std::string written = ManifestJson(*manifest);
  const auto again = ParseManifest(written);
  if (!again || ManifestJson(*again) != written) std::abort();
  return 0;
}
