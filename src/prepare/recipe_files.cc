#include "prepare/recipe_files.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include "base/text.h"
#include "prepare/polygons.h"
#include "source/concat.h"
#include "source/remote.h"
#include "source/united.h"

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

Result<void> ExpandFar(const std::string& source, source::Remote& remote, std::vector<std::string>& files) {
  // In a web address '?' begins the query, and brackets are names.
  const bool web = source.starts_with("http");
  if (source.find_first_of(web ? "*" : "*?[") == std::string::npos) {
    files.push_back(source);
    return {};
  }
  SEAMOUNT_TRY_ASSIGN(const auto found, remote.Expand(source));
  files.insert(files.end(), found.begin(), found.end());
  return {};
}

// Paths and addresses, in order.
Result<std::vector<std::string>> Resolve(const std::vector<std::string>& sources, const std::string& directory,
                                         source::Remote& remote) {
  std::vector<std::string> files;
  for (const std::string& source : sources) {
    if (!source::IsLocal(source)) {
      SEAMOUNT_TRY(ExpandFar(source, remote, files));
      continue;
    }
    // An absolute source stays itself.
    const std::string path = (std::filesystem::path(directory) / source::LocalPath(source)).string();
    // A name with brackets may be a file as it stands.
    if (std::filesystem::exists(path) || source.find_first_of("*?[") == std::string::npos) {
      files.push_back(path);
    } else {
      SEAMOUNT_TRY(Expand(path, files));
    }
  }
  return files;
}

Result<std::string> ReadText(const std::string& path, size_t most) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const std::string message = std::string("reading it: ") + std::strerror(errno);
    return errno == EACCES ? base::PermissionDenied(message) : base::NotFound(message);
  }
  std::string text;
  std::vector<char> part(1 << 16);
  while (text.size() <= most && (in.read(part.data(), static_cast<std::streamsize>(part.size())), in.gcount() > 0)) {
    text.append(part.data(), static_cast<size_t>(in.gcount()));
  }
  if (in.bad() || std::filesystem::is_directory(path)) return base::InvalidArgument("it is no readable file");
  return text;
}

// What the files hold that steps name, in the place of their names.
Result<void> ReadAreas(const Recipe& recipe, const std::string& directory, std::vector<StepSpec>& steps) {
  for (StepSpec& step : steps) {
    const auto found = step.values.find("geojson");
    if (found == step.values.end()) continue;
    const std::string& name = found->second.text;
    const auto place = [&](const Error& error) {
      return Error(error.code(), recipe.name + " line " + std::to_string(step.line) + ": the step '" + step.name +
                                     "': the file '" + name + "': " + error.message());
    };
    const auto text = ReadText((std::filesystem::path(directory) / name).string(), kMaxGeoJsonBytes);
    if (!text) return place(text.error());
    if (const auto polygons = ParseGeoJson(*text); !polygons) return place(polygons.error());
    found->second.text = *text;
  }
  return {};
}

}  // namespace

Result<Recipe> ReadRecipe(const std::string& path) {
  const bool given = path == "-";
  std::ifstream in(given ? "/dev/stdin" : path, std::ios::binary);
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
  SEAMOUNT_TRY_ASSIGN(Recipe recipe, ParseRecipe(text, given ? "recipe" : path));
  const std::string directory = given ? "" : std::filesystem::path(path).parent_path().string();
  SEAMOUNT_TRY(ReadAreas(recipe, directory, recipe.steps));
  for (Requested& variable : recipe.variables) SEAMOUNT_TRY(ReadAreas(recipe, directory, variable.steps));
  return recipe;
}

namespace {

Result<void> CheckFirstValid(const Recipe& recipe, const std::set<std::string>& dimensions) {
  const auto& [name, line] = recipe.first_valid;
  if (name.empty() || dimensions.contains(name)) return {};
  const std::vector<std::string> there(dimensions.begin(), dimensions.end());
  return base::InvalidArgument(recipe.name + " line " + std::to_string(line) + ": 'first_valid' names the dimension '" +
                               name + "', which no file of the source has" + base::NameHint(name, there));
}

}  // namespace

Result<Sources> OpenSources(const Recipe& recipe, const std::string& directory, source::Remote& remote) {
  Sources out;
  std::set<std::string> dimensions;
  const auto open = [&](const std::vector<std::string>& sources) -> Result<std::unique_ptr<source::Dataset>> {
    SEAMOUNT_TRY_ASSIGN(const auto files, Resolve(sources, directory, remote));
    out.far = out.far || !std::all_of(files.begin(), files.end(), source::IsLocal);
    return source::OpenMany(files, "", recipe.reading, &remote, recipe.first_valid.name, &dimensions);
  };
  if (recipe.named_sources.empty()) {
    SEAMOUNT_TRY_ASSIGN(out.dataset, open(recipe.sources));
    SEAMOUNT_TRY(CheckFirstValid(recipe, dimensions));
    return out;
  }
  std::vector<source::NamedDataset> named;
  for (const NamedSource& source : recipe.named_sources) {
    auto dataset = open(source.sources);
    if (!dataset) return dataset.error().Wrap("the source '" + source.name + "'");
    named.push_back({source.name, *std::move(dataset)});
  }
  SEAMOUNT_TRY(CheckFirstValid(recipe, dimensions));
  out.dataset = source::Unite(std::move(named));
  return out;
}

}  // namespace seamount::prepare
