#include "source/join.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/text.h"
#include "cf/decode.h"
#include "nd/data_type.h"

namespace seamount::source {
namespace {

constexpr uint64_t kMaxCoordinateValues = 1 << 22;  // a coordinate with more is none

const std::string& PathOf(const Dataset& file) { return file.files().front().path; }

// A coordinate's values, unpacked; nullopt where there is no such variable that could be read.
std::optional<std::vector<double>> CoordinateValues(const Dataset& file, const std::string& dimension,
                                                    const cf::Options& options) {
  const auto index = VariableIndex(file, dimension);
  if (!index) return std::nullopt;
  const Variable& v = file.variables()[*index];
  const bool own = v.dimensions.size() == 1 && v.dimensions[0] == dimension;
  if (!own || !v.unreadable.empty() || v.type == nd::DataType::kChar || v.shape[0] > kMaxCoordinateValues) {
    return std::nullopt;
  }
  const auto packing = PackingOf(v, options);
  std::vector<std::byte> stored(v.shape[0] * nd::SizeOf(v.type));
  if (!packing || !file.ReadBox(*index, nd::Whole(v.shape), stored)) return std::nullopt;
  std::vector<double> values(v.shape[0]);
  if (!values.empty()) cf::Decode(stored, *packing, std::span<double>(values));
  return values;
}

// Bounds have the units of what they bound, which they need not repeat.
std::string UnitsOf(const Dataset& file, const Variable& v) {
  if (const auto units = v.Text("units")) return *units;
  for (const Variable& parent : file.variables()) {
    if (parent.Text("bounds") == v.name) return parent.Text("units").value_or("");
  }
  return "";
}

std::string CalendarOf(const Dataset& file, const Variable& v) {
  if (const auto calendar = v.Text("calendar")) return *calendar;
  for (const Variable& parent : file.variables()) {
    if (parent.Text("bounds") == v.name) return parent.Text("calendar").value_or("");
  }
  return "";
}

std::optional<cf::TimeUnits> TimeUnitsOf(const Dataset& file, const Variable& v) {
  const std::string units = UnitsOf(file, v);
  if (units.find(" since ") == std::string::npos) return std::nullopt;
  auto parsed = cf::TimeUnits::Parse(units, CalendarOf(file, v));
  if (!parsed) return std::nullopt;
  return *parsed;
}

// Where a file's part of the join dimension lies: its coordinate, in microseconds where that is a time.
struct Extent {
  uint64_t count = 0;
  std::vector<double> at;  // empty: no coordinate
  double tolerance = 0;
};

Extent ExtentOf(const Dataset& file, const std::string& along, uint64_t count, const cf::Options& options) {
  Extent extent{count, CoordinateValues(file, along, options).value_or(std::vector<double>()), 0};
  if (extent.at.empty()) return extent;
  const auto units = TimeUnitsOf(file, file.variables()[*VariableIndex(file, along)]);
  if (!units) return extent;
  const auto moments = units->ToMoments(extent.at);
  if (!moments) return extent;
  extent.at.assign(moments->begin(), moments->end());
  extent.tolerance = 1000;  // a millisecond: one file counts hours, another days
  return extent;
}

bool SameExtent(const Extent& a, const Extent& b) {
  const double tolerance = std::max(a.tolerance, b.tolerance);
  return a.count == b.count && std::equal(a.at.begin(), a.at.end(), b.at.begin(), b.at.end(),
                                          [&](double x, double y) { return std::abs(x - y) <= tolerance; });
}

// Grids that one file keeps as float32 and another as float64, or that were computed in another order, are the same.
bool SameGrid(const std::vector<double>& a, const std::vector<double>& b) {
  double spacing = std::numeric_limits<double>::infinity();
  for (size_t i = 1; i < a.size(); ++i) spacing = std::min(spacing, std::abs(a[i] - a[i - 1]));
  const double share = std::isfinite(spacing) ? spacing * 1e-4 : 0;
  constexpr double kFloat = 1.2e-7;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](double x, double y) {
    return x == y || std::abs(x - y) <= std::max(share, kFloat * std::abs(x)) || (std::isnan(x) && std::isnan(y));
  });
}

bool SamePacking(const cf::Packing& a, const cf::Packing& b) {
  return a.type == b.type && a.missing == b.missing && a.valid_min == b.valid_min && a.valid_max == b.valid_max &&
         a.scale == b.scale && a.offset == b.offset;
}

class Joiner {
 public:
  Joiner(const std::vector<std::unique_ptr<Dataset>>& files, const std::string& along, const cf::Options& options)
      : files_(files), options_(options) {
    joined_.along = along;
    names_.resize(files.size());
    for (size_t f = 0; f < files.size(); ++f) {
      const auto& variables = files[f]->variables();
      for (size_t v = 0; v < variables.size(); ++v) names_[f].emplace(variables[v].name, v);
    }
  }

  Result<Joined> Run() {
    SEAMOUNT_TRY(FindSteps());
    FindDimensions();
    std::vector<uint32_t> places(files_.size());
    for (uint32_t i = 0; i < order_.size(); ++i) places[order_[i]] = i;
    std::set<std::string> seen;
    for (size_t f = 0; f < files_.size(); ++f) {
      for (const Variable& v : files_[f]->variables()) {
        if (!seen.insert(v.name).second) continue;
        joined_.variables.push_back(Put(v.name, f));
        JoinedVariable& put = joined_.variables.back();
        for (const Piece& piece : put.pieces) put.variable.files.push_back(places[piece.file]);
        const std::string& trouble = joined_.variables.back().variable.unreadable;
        // All that is asked for depends on it.
        if (v.name == joined_.along && !trouble.empty()) {
          return base::InvalidArgument("joining along '" + v.name + "': " + trouble);
        }
      }
    }
    return std::move(joined_);
  }

 private:
  const Variable* Find(size_t file, const std::string& name) const {
    const auto found = names_[file].find(name);
    return found == names_[file].end() ? nullptr : &files_[file]->variables()[found->second];
  }

  // Whether the file has a variable along the join dimension that no file of the step has.
  bool Adds(size_t file, const JoinStep& step) const {
    const auto& variables = files_[file]->variables();
    return std::any_of(variables.begin(), variables.end(), [&](const Variable& v) {
      if (!v.DimensionIndex(joined_.along)) return false;
      return std::none_of(step.files.begin(), step.files.end(), [&](size_t f) { return Find(f, v.name) != nullptr; });
    });
  }

  Result<void> FindSteps() {
    std::vector<Extent> extents;                                        // of the steps
    std::map<std::tuple<uint64_t, int64_t>, std::vector<size_t>> near;  // steps, by length and first second
    for (size_t f = 0; f < files_.size(); ++f) {
      FileIdentity identity = files_[f]->files().front();
      const Dimension* dimension = FindDimension(*files_[f], joined_.along);
      if (dimension != nullptr) {
        Extent extent = ExtentOf(*files_[f], joined_.along, dimension->size, options_);
        const double first = extent.at.empty() ? 0 : extent.at.front() / 1e6;
        auto& candidates = near[{extent.count, std::isfinite(first) ? std::llround(first) : 0}];
        const auto same = std::find_if(candidates.begin(), candidates.end(), [&](size_t s) {
          return SameExtent(extents[s], extent) && Adds(f, joined_.steps[s]);
        });
        const size_t step = same != candidates.end() ? *same : joined_.steps.size();
        if (step == joined_.steps.size()) {
          joined_.steps.push_back({0, extent.count, {}});
          extents.push_back(std::move(extent));
          candidates.push_back(step);
        }
        joined_.steps[step].files.push_back(f);
        identity.join_dimension = joined_.along;
      }
      joined_.files.push_back(std::move(identity));
    }
    OrderSteps(extents);
    if (!joined_.steps.empty()) return {};
    return base::InvalidArgument("joining " + PathOf(*files_.front()) + ": no file has the dimension '" +
                                 joined_.along + "'");
  }

  // By their coordinates, since names need not sort as times do: era5_10 comes before era5_2. Where a file has no
  // coordinate, and where the order given runs evenly down (levels from the ground up), it stays.
  void OrderSteps(const std::vector<Extent>& extents) {
    std::vector<size_t> order(joined_.steps.size());
    std::iota(order.begin(), order.end(), 0);
    const bool known = std::all_of(extents.begin(), extents.end(),
                                   [](const Extent& e) { return !e.at.empty() && std::isfinite(e.at.front()); });
    const bool times = std::any_of(extents.begin(), extents.end(), [](const Extent& e) { return e.tolerance > 0; });
    const auto first = [&](size_t step) { return extents[step].at.front(); };
    const auto down = [&](size_t a, size_t b) { return first(a) > first(b); };
    if (known && (times || !std::is_sorted(order.begin(), order.end(), down))) {
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return first(a) < first(b); });
    }
    std::vector<JoinStep> steps;
    uint64_t start = 0;
    for (const size_t step : order) {
      steps.push_back(std::move(joined_.steps[step]));
      steps.back().start = start;
      start += steps.back().count;
      for (const size_t f : steps.back().files) {
        joined_.files[f].join_start = steps.back().start;
        joined_.files[f].join_count = steps.back().count;
      }
    }
    joined_.steps = std::move(steps);
    order_.resize(files_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t a, size_t b) { return joined_.files[a].join_start < joined_.files[b].join_start; });
    std::vector<FileIdentity> sorted;
    for (const size_t f : order_) sorted.push_back(std::move(joined_.files[f]));
    joined_.files = std::move(sorted);
  }

  void FindDimensions() {
    for (size_t f = 0; f < files_.size(); ++f) {
      for (const Dimension& dimension : files_[f]->dimensions()) {
        const bool known = std::any_of(joined_.dimensions.begin(), joined_.dimensions.end(),
                                       [&](const Dimension& d) { return d.name == dimension.name; });
        if (known) continue;
        joined_.dimensions.push_back(dimension);
        first_with_.emplace(dimension.name, f);
        if (dimension.name == joined_.along) {
          joined_.dimensions.back().size = joined_.steps.back().start + joined_.steps.back().count;
        }
      }
    }
  }

  // What keeps the file's dimension from being the one that the joined files have; empty where it is.
  const std::string& DimensionTrouble(size_t file, const std::string& name) {
    const auto [found, fresh] = trouble_.emplace(std::pair(file, name), "");
    const size_t first = first_with_.at(name);
    if (!fresh || file == first || name == joined_.along) return found->second;
    const Dimension* here = FindDimension(*files_[file], name);
    const Dimension* there = FindDimension(*files_[first], name);
    const std::string than = " than in " + PathOf(*files_[first]);
    if (here == nullptr || here->size != there->size) {
      found->second = PathOf(*files_[file]) + " has another size along '" + name + "'" + than;
      return found->second;
    }
    auto [grid, unread] = grids_.emplace(name, std::nullopt);
    if (unread) grid->second = CoordinateValues(*files_[first], name, options_);
    const auto values = CoordinateValues(*files_[file], name, options_);
    if (values && grid->second && !SameGrid(*grid->second, *values)) {
      found->second = PathOf(*files_[file]) + " has other values of '" + name + "'" + than;
    }
    return found->second;
  }

  JoinedVariable Put(const std::string& name, size_t first_file) {
    JoinedVariable joined;
    joined.variable = *Find(first_file, name);
    if (files_.size() > 1) joined.variable.identity = nullptr;  // it knows of the first file alone
    joined.along = joined.variable.DimensionIndex(joined_.along).has_value();
    std::string trouble = joined.along ? PutAlong(name, joined) : PutPiece(first_file, joined);
    if (trouble.empty() && joined.along) trouble = Agree(joined);
    if (!trouble.empty()) {
      joined.variable.unreadable = trouble;
      joined.pieces.clear();
    }
    if (const auto d = joined.variable.DimensionIndex(joined_.along)) {
      joined.variable.shape[*d] = joined_.steps.back().start + joined_.steps.back().count;
    }
    return joined;
  }

  // Each returns what is wrong; empty: nothing.
  std::string PutAlong(const std::string& name, JoinedVariable& joined) {
    for (const JoinStep& step : joined_.steps) {
      const auto holder = std::find_if(step.files.begin(), step.files.end(), [&](size_t f) { return Find(f, name); });
      if (holder == step.files.end()) {
        return PathOf(*files_[step.files.front()]) + " has no variable '" + name +
               "', nor has a file of the same steps";
      }
      if (std::string trouble = PutPiece(*holder, joined); !trouble.empty()) return trouble;
    }
    return {};
  }

  std::string PutPiece(size_t file, JoinedVariable& joined) {
    const Variable& v = *Find(file, joined.variable.name);
    if (!v.unreadable.empty()) return v.unreadable;
    if (v.dimensions != joined.variable.dimensions) {
      return PathOf(*files_[file]) + " has it with other dimensions: " + base::Join(v.dimensions, ", ") +
             " instead of " + base::Join(joined.variable.dimensions, ", ");
    }
    for (const std::string& dimension : v.dimensions) {
      if (const std::string& trouble = DimensionTrouble(file, dimension); !trouble.empty()) return trouble;
    }
    auto packing = PackingOf(v, options_);
    if (!packing) return packing.error().message();
    joined.pieces.push_back({file, names_[file].at(v.name), *std::move(packing), {}});
    return {};
  }

  // Whether the pieces mean the same, or how they come to.
  std::string Agree(JoinedVariable& joined) {
    Variable& whole = joined.variable;
    const Variable& first = VariableOf(joined.pieces.front());
    const Dataset& first_file = *files_[joined.pieces.front().file];
    const std::string units = UnitsOf(first_file, first);
    for (const Piece& piece : joined.pieces) {
      const Variable& v = VariableOf(piece);
      const std::string here = UnitsOf(*files_[piece.file], v);
      joined.decoded = joined.decoded || v.type != first.type || !SamePacking(piece.packing, joined.pieces[0].packing);
      const bool times = units.find(" since ") != std::string::npos && here.find(" since ") != std::string::npos;
      if (times) {
        const auto a = TimeUnitsOf(first_file, first);
        const auto b = TimeUnitsOf(*files_[piece.file], v);
        if (a && b && a == b && a->linear()) continue;
        if (!a || !b || a->calendar() != b->calendar())
          return Differs(piece, here, CalendarOf(*files_[piece.file], v), units);
        joined.units = a;
      } else if (here != units && !here.empty() && !units.empty()) {
        return Differs(piece, here, "", units);
      } else if (here != units && whole.remarks.empty()) {
        const bool missing_here = here.empty();
        whole.remarks.push_back("'" + whole.name + "' has no units in " +
                                PathOf(missing_here ? *files_[piece.file] : first_file) + ": taken to be '" +
                                (missing_here ? units : here) + "' as elsewhere");
      }
    }
    if (joined.units) ConvertTimes(joined);
    if (joined.decoded) PresentValues(joined);
    return {};
  }

  std::string Differs(const Piece& piece, const std::string& here, const std::string& calendar,
                      const std::string& units) const {
    return PathOf(*files_[piece.file]) + " has it in '" + here + "'" +
           (calendar.empty() ? "" : " (calendar " + calendar + ")") + ", the files before in '" + units + "'";
  }

  void ConvertTimes(JoinedVariable& joined) {
    joined.decoded = true;
    for (Piece& piece : joined.pieces) piece.units = TimeUnitsOf(*files_[piece.file], VariableOf(piece));
    if (joined.units->linear()) return;
    // Other programs do not read months and years, whose length is not fixed.
    joined.units = joined.units->InDays();
    joined.variable.remarks.push_back("'" + joined.variable.name + "' is written in '" + joined.units->ToString() +
                                      "' instead of months or years");
    for (cf::Attribute& attribute : joined.variable.attributes) {
      if (attribute.name == "units") attribute.text = joined.units->ToString();
    }
  }

  // Values instead of stored numbers: no attribute of packing stays.
  void PresentValues(JoinedVariable& joined) const {
    Variable& whole = joined.variable;
    bool narrow = !joined.units;
    for (const Piece& piece : joined.pieces) {
      narrow = narrow && cf::DecodedType(VariableOf(piece).type) == nd::DataType::kFloat32;
    }
    whole.type = narrow ? nd::DataType::kFloat32 : nd::DataType::kFloat64;
    whole.fill.reset();
    std::erase_if(whole.attributes, [](const cf::Attribute& a) { return cf::IsPackingAttribute(a.name); });
  }

  const Variable& VariableOf(const Piece& piece) const { return files_[piece.file]->variables()[piece.variable]; }

  const std::vector<std::unique_ptr<Dataset>>& files_;
  const cf::Options options_;
  Joined joined_;
  std::vector<size_t> order_;                                   // the files as joined_.files has them
  std::vector<std::unordered_map<std::string, size_t>> names_;  // of each file's variables
  std::unordered_map<std::string, size_t> first_with_;          // the file that has a dimension first
  std::map<std::pair<size_t, std::string>, std::string> trouble_;
  std::unordered_map<std::string, std::optional<std::vector<double>>> grids_;
};

}  // namespace

bool CountsMonths(const Dataset& file) {
  return std::any_of(file.variables().begin(), file.variables().end(), [&](const Variable& v) {
    const auto units = TimeUnitsOf(file, v);
    return units && !units->linear();
  });
}

Result<Joined> Join(const std::vector<std::unique_ptr<Dataset>>& files, const std::string& along,
                    const cf::Options& options) {
  return Joiner(files, along, options).Run();
}

}  // namespace seamount::source
