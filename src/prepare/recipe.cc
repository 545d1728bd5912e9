#include "prepare/recipe.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "base/text.h"
#include "prepare/recipe_reader.h"
#include "prepare/recipe_schema.h"

namespace seamount::prepare {
namespace {

constexpr int kMaxHarmonics = 12;
constexpr uint64_t kMaxWindow = 181;

Result<std::vector<Selection>> ReadSelect(const RecipeReader& in, const YAML::Node& node,
                                          std::vector<StepSpec>& chosen) {
  std::vector<Selection> out;
  const auto each = [&](const std::string& dimension, const YAML::Node&, const YAML::Node& value) -> Result<void> {
    Selection selection;
    selection.dimension = dimension;
    selection.line = LineOf(value);
    if (value.IsMap()) {
      SEAMOUNT_TRY(in.Map(value, "'select: " + dimension + "'",
                          {{"index",
                            [&](const YAML::Node& n) -> Result<void> {
                              SEAMOUNT_TRY_ASSIGN(selection.index, in.Count(n, "index", 0));
                              return {};
                            }},
                           {"value",
                            [&](const YAML::Node& n) -> Result<void> {
                              SEAMOUNT_TRY_ASSIGN(selection.value, in.Number(n, "value"));
                              return {};
                            }},
                           {"method", [&](const YAML::Node& n) -> Result<void> {
                              SEAMOUNT_TRY_ASSIGN(const std::string method, in.Text(n, "method"));
                              if (method != "nearest") return in.Bad(n, "'method' must be 'nearest'");
                              selection.nearest = true;
                              return {};
                            }}}));
      if (selection.index.has_value() == selection.value.has_value()) {
        return in.Bad(value, "'select: " + dimension + "' needs either 'index' or 'value'");
      }
      if (selection.nearest && selection.index) return in.Bad(value, "'method' goes with 'value'");
    } else if (value.IsSequence()) {
      YAML::Node places;
      places[dimension] = value;
      SEAMOUNT_TRY_ASSIGN(StepSpec step, in.StepNamed("select", value, places));
      chosen.push_back(std::move(step));
      return {};
    } else {
      SEAMOUNT_TRY_ASSIGN(selection.value, in.Number(value, dimension));
    }
    out.push_back(std::move(selection));
    return {};
  };
  SEAMOUNT_TRY(in.EachKey(node, "'select'", each));
  return out;
}

// [from, to], or {range: [from, to], months: [12, 1, 2], hours: [0, 12]}.
Result<void> ReadTime(const RecipeReader& in, const YAML::Node& node, Recipe& out, std::vector<StepSpec>& chosen) {
  if (!node.IsMap()) {
    SEAMOUNT_TRY_ASSIGN(out.time, in.Dates(node, "time"));
    return {};
  }
  YAML::Node rest;
  SEAMOUNT_TRY(in.EachKey(node, "'time'",
                          [&](const std::string& key, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
                            if (key == "range") {
                              SEAMOUNT_TRY_ASSIGN(out.time, in.Dates(value, "range"));
                            } else {
                              rest[at] = value;
                            }
                            return {};
                          }));
  if (rest.size() == 0) return {};
  SEAMOUNT_TRY_ASSIGN(StepSpec step, in.StepNamed("time", node, rest));
  chosen.push_back(std::move(step));
  return {};
}

Result<std::vector<BoxRange>> ReadBox(const RecipeReader& in, const YAML::Node& node) {
  std::vector<BoxRange> out;
  SEAMOUNT_TRY(in.EachKey(node, "'box'",
                          [&](const std::string& key, const YAML::Node&, const YAML::Node& value) -> Result<void> {
                            if (!value.IsSequence() || value.size() != 2)
                              return in.Bad(value, "'box: " + key + "' must be [from, to]");
                            BoxRange range;
                            range.key = key;
                            range.line = LineOf(value);
                            SEAMOUNT_TRY_ASSIGN(range.from, in.Number(value[0], key));
                            SEAMOUNT_TRY_ASSIGN(range.to, in.Number(value[1], key));
                            out.push_back(std::move(range));
                            return {};
                          }));
  return out;
}

Result<std::vector<Extent>> ReadExtents(const RecipeReader& in, const YAML::Node& node, const std::string& what) {
  std::vector<Extent> out;
  if (what == "chunks" && node.IsScalar() && node.Scalar() == "auto") return out;  // as if it were left out
  SEAMOUNT_TRY(
      in.EachKey(node, "'" + what + "'",
                 [&](const std::string& dimension, const YAML::Node&, const YAML::Node& value) -> Result<void> {
                   SEAMOUNT_TRY_ASSIGN(const uint64_t size, in.Count(value, dimension, 1));
                   out.push_back({dimension, size, LineOf(value)});
                   return {};
                 }));
  return out;
}

Result<Anomaly> ReadAnomaly(const RecipeReader& in, const YAML::Node& node) {
  Anomaly out;
  out.line = LineOf(node);
  SEAMOUNT_TRY(in.Map(node, "'anomaly'",
                      {{"climatology",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.climatology, in.Text(n, "climatology"));
                          const std::string& kind = out.climatology;
                          if (kind == "month" || kind == "day_of_year" || kind == "hour") return {};
                          return in.Bad(n,
                                        "'climatology' must be 'month', 'day_of_year' or 'hour' (or use 'harmonics')");
                        }},
                       {"window",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(const uint64_t days, in.Count(n, "window", 1));
                          if (days > kMaxWindow || days % 2 == 0) {
                            return in.Bad(n, "'window' must be an odd number of days up to 181, the day in its middle");
                          }
                          out.window = static_cast<int>(days);
                          return {};
                        }},
                       {"harmonics",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(const uint64_t count, in.Count(n, "harmonics", 1));
                          if (count > kMaxHarmonics) return in.Bad(n, "'harmonics' must be at most 12");
                          out.harmonics = static_cast<int>(count);
                          return {};
                        }},
                       {"over", [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.over, in.Text(n, "over"));
                          return {};
                        }}}));
  if (out.climatology.empty() == (out.harmonics == 0)) {
    return in.Bad(node, "'anomaly' needs either 'climatology: month' (or day_of_year, hour) or 'harmonics: N'");
  }
  if (out.window > 1 && out.climatology != "day_of_year") {
    return in.Bad(node, "'window' goes with 'climatology: day_of_year'");
  }
  if (out.over.empty()) return in.Bad(node, "'anomaly' needs 'over': the split to take the climatology from, or 'all'");
  return out;
}

// [from, to], or {range: [from, to], years: even}.
Result<Split> ReadSplit(const RecipeReader& in, const std::string& name, const YAML::Node& node) {
  Split out;
  out.name = name;
  out.line = LineOf(node);
  const auto range = [&](const YAML::Node& n) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(out.range, in.Dates(n, name));
    return {};
  };
  if (!node.IsMap()) {
    SEAMOUNT_TRY(range(node));
    return out;
  }
  const auto years = [&](const YAML::Node& n) -> Result<void> {
    if (n.IsScalar() && (n.Scalar() == "even" || n.Scalar() == "odd")) {
      out.parity = n.Scalar();
      return {};
    }
    if (!n.IsSequence() || n.size() == 0) return in.Bad(n, "'years' must be 'even', 'odd' or a list of years");
    for (const auto& year : n) {
      SEAMOUNT_TRY_ASSIGN(out.years.emplace_back(), in.Count(year, "years", 0));
    }
    return {};
  };
  SEAMOUNT_TRY(in.Map(node, "'split: " + name + "'", {{"range", range}, {"years", years}}));
  if (node.size() == 0) return in.Bad(node, "'split: " + name + "' needs a 'range' or 'years'");
  return out;
}

// "std", "min-max" or two quantiles.
Result<Quantiles> ReadScaling(const RecipeReader& in, const YAML::Node& node) {
  if (node.IsScalar() && node.Scalar() == "std") return Quantiles();
  if (node.IsScalar() && node.Scalar() == "min-max") return Quantiles({0, 1});
  if (!node.IsSequence() || node.size() != 2) {
    return in.Bad(node, "'how' must be std, min-max or two quantiles, as [0.05, 0.95]");
  }
  SEAMOUNT_TRY_ASSIGN(const double low, in.Number(node[0], "how"));
  SEAMOUNT_TRY_ASSIGN(const double high, in.Number(node[1], "how"));
  if (low < 0 || high > 1 || !(low < high)) {
    return in.Bad(node, "quantiles are shares between 0 and 1, the lower one first");
  }
  return Quantiles({low, high});
}

Result<Standardize> ReadStandardize(const RecipeReader& in, const YAML::Node& node) {
  Standardize out;
  out.line = LineOf(node);
  SEAMOUNT_TRY(in.Map(node, "'standardize'",
                      {{"over",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.over, in.Text(n, "over"));
                          return {};
                        }},
                       {"how",
                        [&](const YAML::Node& n) -> Result<void> {
                          if (!n.IsMap()) {
                            SEAMOUNT_TRY_ASSIGN(out.how, ReadScaling(in, n));
                            return {};
                          }
                          return in.EachKey(n, "'how'",
                                            [&](const std::string& name, const YAML::Node& at,
                                                const YAML::Node& value) -> Result<void> {
                                              SEAMOUNT_TRY_ASSIGN(const Quantiles how, ReadScaling(in, value));
                                              out.how_of.push_back({{name, LineOf(at)}, how});
                                              return {};
                                            });
                        }},
                       {"except", [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.except, in.Names(n, "except"));
                          return {};
                        }}}));
  if (out.over.empty())
    return in.Bad(node, "'standardize' needs 'over': the split to take mean and std from, or 'all'");
  return out;
}

// As the Loader names it; true stands for any order.
Result<loader::Shuffle> ReadShuffle(const RecipeReader& in, const YAML::Node& node) {
  if (node.IsScalar() && !IsQuoted(node) && IsTruth(node.Scalar())) {
    bool shuffled = true;
    YAML::convert<bool>::decode(node, shuffled);
    return shuffled ? loader::Shuffle::kGlobal : loader::Shuffle::kNone;
  }
  auto shuffle = node.IsScalar() ? loader::ShuffleFromName(node.Scalar()) : base::InvalidArgument("");
  if (!shuffle) return in.Bad(node, "'shuffle' must be true, false, global, block or none");
  return shuffle;
}

Result<Minibatch> ReadMinibatch(const RecipeReader& in, const YAML::Node& node) {
  Minibatch out;
  out.line = LineOf(node);
  const auto leads = [&](std::vector<int64_t>& into, const char* key, bool inputs) {
    return [&in, &into, key, inputs](const YAML::Node& n) -> Result<void> {
      SEAMOUNT_TRY_ASSIGN(into, in.Leads(n, key, inputs));
      return {};
    };
  };
  SEAMOUNT_TRY(in.Map(node, "'minibatch'",
                      {{"inputs", leads(out.inputs, "inputs", true)},
                       {"targets", leads(out.targets, "targets", false)},
                       {"batch",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.batch, in.Count(n, "batch", 1));
                          return {};
                        }},
                       {"shuffle",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.shuffle, ReadShuffle(in, n));
                          return {};
                        }},
                       {"patches", [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.patches, ReadExtents(in, n, "patches"));
                          return {};
                        }}}));
  return out;
}

Result<std::vector<NamedSource>> ReadSources(const RecipeReader& in, const YAML::Node& node) {
  std::vector<NamedSource> out;
  SEAMOUNT_TRY(in.EachKey(node, "'sources'",
                          [&](const std::string& name, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
                            if (name.find('/') != std::string::npos) {
                              return in.Bad(at, "the name of a source has no '/' in it: '" + name + "'");
                            }
                            NamedSource source{name, {}, LineOf(at)};
                            SEAMOUNT_TRY_ASSIGN(const auto files, in.Names(value, name));
                            for (const NamedLine& file : files) source.sources.push_back(file.name);
                            out.push_back(std::move(source));
                            return {};
                          }));
  if (out.empty()) return in.Bad(node, "'sources' is empty");
  return out;
}

// Every top-level key with what reads it.
Result<void> ReadDocument(const RecipeReader& in, const YAML::Node& root, Recipe& out) {
  const auto list = [](auto& into, auto read) {
    return [&into, read](const YAML::Node& n) -> Result<void> {
      SEAMOUNT_TRY_ASSIGN(into, read(n));
      return {};
    };
  };
  std::vector<Requested> derived;
  std::vector<StepSpec> chosen;  // of all variables, the last of what is done to them
  const std::map<std::string, RecipeReader::Field> fields = {
      {"source",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const auto names, in.Names(n, "source"));
         for (const NamedLine& name : names) out.sources.push_back(name.name);
         return {};
       }},
      {"sources", list(out.named_sources, [&](const YAML::Node& n) { return ReadSources(in, n); })},
      {"variables", list(out.variables, [&](const YAML::Node& n) { return in.Variables(n); })},
      {"select", list(out.select, [&](const YAML::Node& n) { return ReadSelect(in, n, chosen); })},
      {"box", list(out.box, [&](const YAML::Node& n) { return ReadBox(in, n); })},
      {"time", [&](const YAML::Node& n) { return ReadTime(in, n, out, chosen); }},
      {"gaps",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const std::string gaps, in.Text(n, "gaps"));
         if (gaps != "allow") return in.Bad(n, "'gaps' must be 'allow' (left out: missing steps are an error)");
         out.gaps_allowed = true;
         return {};
       }},
      {"disorder",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const std::string disorder, in.Text(n, "disorder"));
         if (disorder != "allow") {
           return in.Bad(n, "'disorder' must be 'allow' (left out: times that repeat or go back are an error)");
         }
         out.disorder_allowed = true;
         return {};
       }},
      {"derive", list(derived, [&](const YAML::Node& n) { return in.Derive(n); })},
      {"steps", list(out.steps, [&](const YAML::Node& n) { return in.Steps(n); })},
      {"split",
       [&](const YAML::Node& n) {
         return in.EachKey(n, "'split'",
                           [&](const std::string& key, const YAML::Node&, const YAML::Node& value) -> Result<void> {
                             SEAMOUNT_TRY_ASSIGN(out.split.emplace_back(), ReadSplit(in, key, value));
                             return {};
                           });
       }},
      {"anomaly", list(out.anomaly, [&](const YAML::Node& n) { return ReadAnomaly(in, n); })},
      {"standardize", list(out.standardize, [&](const YAML::Node& n) { return ReadStandardize(in, n); })},
      {"minibatch", list(out.minibatch, [&](const YAML::Node& n) { return ReadMinibatch(in, n); })},
      {"chunks", list(out.chunks, [&](const YAML::Node& n) { return ReadExtents(in, n, "chunks"); })},
      {"shards", list(out.shards, [&](const YAML::Node& n) { return ReadExtents(in, n, "shards"); })},
      {"codec", list(out.codec, [&](const YAML::Node& n) { return in.Text(n, "codec"); })},
      {"dtype",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(out.dtype, in.Text(n, "dtype"));
         if (out.dtype != "float32" && out.dtype != "float64") {
           return in.Bad(n, "'dtype' must be float32 or float64");
         }
         return {};
       }},
      {"first_valid",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(out.first_valid.name, in.Text(n, "first_valid"));
         out.first_valid.line = LineOf(n);
         return {};
       }},
      {"valid_range",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const std::string how, in.Text(n, "valid_range"));
         if (how != "apply" && how != "ignore") return in.Bad(n, "'valid_range' must be apply (the default) or ignore");
         out.reading.valid_range = how == "apply" ? cf::ValidRange::kApply : cf::ValidRange::kIgnore;
         return {};
       }},
      {"format", [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const uint64_t format, in.Count(n, "format", 2));
         if (format > 3) return in.Bad(n, "'format' must be 2 or 3, a version of Zarr");
         out.format = static_cast<int>(format);
         return {};
       }}};
  SEAMOUNT_TRY(in.Map(root, "the recipe", fields));
  if (!out.sources.empty() && !out.named_sources.empty()) {
    return base::InvalidArgument(out.name + " line " + std::to_string(out.named_sources[0].line) +
                                 ": there is a 'source' already: give it a name under 'sources'");
  }
  if (out.sources.empty() && out.named_sources.empty()) {
    return in.Bad(root, "there is no 'source': a file, a pattern or a list of them");
  }
  for (Requested& one : derived) {
    for (const Requested& other : out.variables) {
      if (one.name != other.name) continue;
      return base::InvalidArgument(out.name + " line " + std::to_string(one.line) +
                                   ": the output would have two arrays '" + one.name + "'");
    }
    out.variables.push_back(std::move(one));
  }
  out.steps.insert(out.steps.end(), chosen.begin(), chosen.end());
  if (out.variables.empty()) return in.Bad(root, "there are no 'variables' to prepare");
  return {};
}

}  // namespace

Result<Recipe> ParseRecipe(std::string_view yaml, const std::string& name) {
  if (yaml.size() > kMaxRecipeBytes) return base::InvalidArgument(name + ": longer than any recipe (1 MiB)");
  Recipe recipe;
  recipe.name = name;
  recipe.text = std::string(yaml);
  // yaml-cpp throws; nothing leaves this function.
  try {
    const YAML::Node root = YAML::Load(recipe.text);
    if (!root.IsDefined() || root.IsNull()) return base::InvalidArgument(name + ": the recipe is empty");
    SEAMOUNT_TRY(ReadDocument(RecipeReader(name), root, recipe));
  } catch (const YAML::Exception& error) {
    return base::InvalidArgument(name + " line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
  return recipe;
}

std::string Requested::Said() const {
  if (!expression.empty()) return "derive";
  if (!steps.empty()) return steps[0].name;
  if (!units.empty()) return "units";
  if (!long_name.empty()) return "long_name";
  if (!dtype.empty()) return "dtype";
  if (!codec.empty()) return "codec";
  return pack ? "pack" : "";
}

uint64_t Minibatch::Span() const {
  std::vector<int64_t> leads = inputs;
  leads.insert(leads.end(), targets.begin(), targets.end());
  const auto [first, last] = std::minmax_element(leads.begin(), leads.end());
  return static_cast<uint64_t>(*last - *first) + 1;
}

uint64_t Minibatch::LongestRun() const {
  std::vector<int64_t> leads = inputs;
  leads.insert(leads.end(), targets.begin(), targets.end());
  std::sort(leads.begin(), leads.end());
  leads.erase(std::unique(leads.begin(), leads.end()), leads.end());
  uint64_t longest = 1;
  uint64_t run = 1;
  for (size_t i = 1; i < leads.size(); ++i) {
    run = leads[i] == leads[i - 1] + 1 ? run + 1 : 1;
    longest = std::max(longest, run);
  }
  return longest;
}

std::string Minibatch::Text() const {
  std::string text = "inputs";
  for (const int64_t lead : inputs) text += " " + std::to_string(lead);
  text += " targets";
  for (const int64_t lead : targets) text += " " + std::to_string(lead);
  text += " batch " + std::to_string(batch) + " shuffle " + std::string(loader::NameOf(shuffle));
  for (const Extent& patch : patches) text += " patches " + patch.dimension + " " + std::to_string(patch.size);
  return text;
}

std::string_view RecipeSchema() { return kRecipeSchema; }

}  // namespace seamount::prepare
