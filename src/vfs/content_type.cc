#include "vfs/content_type.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace seamount::vfs {
namespace {

// The types of /etc/mime.types for what people keep beside data; by extension, in order.
constexpr std::array<std::pair<std::string_view, std::string_view>, 34> kTypes = {{
    {"avi", "video/x-msvideo"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h5", "application/x-hdf5"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ipynb", "application/x-ipynb+json"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"log", "text/plain"},
    {"md", "text/markdown"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"nc", "application/x-netcdf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"py", "text/x-python"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"tsv", "text/tab-separated-values"},
    {"txt", "text/plain"},
    {"wav", "audio/x-wav"},
    {"webp", "image/webp"},
    {"xml", "application/xml"},
    {"yaml", "application/yaml"},
    {"zip", "application/zip"},
}};

}  // namespace

std::string_view ContentTypeOf(std::string_view key) {
  const size_t dot = key.rfind('.');
  std::string extension(dot == std::string_view::npos ? std::string_view() : key.substr(dot + 1));
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const auto it = std::lower_bound(kTypes.begin(), kTypes.end(), extension,
                                   [](const auto& type, const std::string& e) { return type.first < e; });
  return it != kTypes.end() && it->first == extension ? it->second : "application/octet-stream";
}

}  // namespace seamount::vfs
