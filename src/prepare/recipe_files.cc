#include <glob.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "prepare/recipe.h"

namespace seamount::prepare {
namespace {

Result<void> Expand(const std::string& pattern, std::vector<std::string>& files) {
  glob_t found = {};
  const int status = ::glob(pattern.c_str(), GLOB_ERR, nullptr, &found);
  std::vector<std::string> matches(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status == GLOB_NOMATCH) return base::NotFound("no file matches the source '" + pattern + "'");
  if (status != 0) return base::Unavailable("listing the source '" + pattern + "': " + std::strerror(errno));
  files.insert(files.end(), matches.begin(), matches.end());
  return {};
}

}  // namespace

Result<Recipe> ReadRecipe(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const std::string message = "reading the recipe " + path + ": " + std::strerror(errno);
    return errno == EACCES ? base::PermissionDenied(message) : base::NotFound(message);
  }
  std::string text(kMaxRecipeBytes + 1, '\0');  // one more than is accepted, however long the file is
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || std::filesystem::is_directory(path)) {
    return base::InvalidArgument("reading the recipe " + path + ": not a readable file");
  }
  text.resize(static_cast<size_t>(in.gcount()));
  return ParseRecipe(text, path);
}

Result<std::vector<std::string>> ResolveSources(const Recipe& recipe, const std::string& directory) {
  std::vector<std::string> files;
  for (const std::string& source : recipe.sources) {
    if (source.find("://") != std::string::npos) {
      return base::InvalidArgument(recipe.name + ": the source '" + source +
                                   "' is an address, and sources are files: 'seamount mount' makes a bucket a folder "
                                   "whose files can be named");
    }
    const std::string path = (std::filesystem::path(directory) / source).string();  // an absolute source stays itself
    // A name with brackets may be a file as it stands.
    if (std::filesystem::exists(path) || source.find_first_of("*?[") == std::string::npos) {
      files.push_back(path);
    } else {
      SEAMOUNT_TRY(Expand(path, files));
    }
  }
  return files;
}

}  // namespace seamount::prepare
