// Several data sets, each under a name of its own, as one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "source/dataset.h"

namespace seamount::source {

struct NamedDataset {
  std::string name;
  std::unique_ptr<Dataset> dataset;
};

// Whatever a source has is called "source/name", dimensions and what attributes refer to included, so that nothing of
// one is taken for the other's; which of it belongs together is decided by who knows what is asked for. Attributes of
// the whole are those that all have alike.
std::unique_ptr<Dataset> Unite(std::vector<NamedDataset> sources);

// Whether an attribute's text names variables; and that text, each name ("crs" of "crs: x y") as `called` says.
bool IsReference(const std::string& attribute);
std::string WithNames(const std::string& text, const std::function<std::string(const std::string&)>& called);

// "tp" for "rain/tp" of the source "rain"; what has no source stays.
std::string ShortName(const std::string& name, const std::string& source);

}  // namespace seamount::source
