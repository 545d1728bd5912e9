// From recipe and source metadata to a plan: pure, so that it can be shown, tested and compared before anything is read
// or written.
//
// planner.cc has the arrays and tasks, planner_basis.cc the climatology, and planner_coordinates.cc what describes the
// data.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cf/packing.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/facts.h"
#include "prepare/layout.h"
#include "prepare/plan.h"
#include "prepare/recipe.h"
#include "prepare/record.h"

namespace seamount::prepare {

// `before`: what lies in the output already, whose layout is kept where the recipe leaves it open.
Result<Plan> MakePlan(const Recipe& recipe, const SourceFacts& facts, const Record& before = {});

// What follows is for the planner's own files.

// NaN for floating point, so that what is missing stays missing; zero otherwise.
Bytes FillValue(nd::DataType type);

// A plan in the making.
class Planner {
 public:
  Planner(const Recipe& recipe, const SourceFacts& facts, const Record& before)
      : recipe_(recipe), facts_(facts), before_(before) {}
  Result<Plan> Run();

 private:
  Error At(int line, const std::string& what) const {
    return base::InvalidArgument(recipe_.name + " line " + std::to_string(line) + ": " + what);
  }
  // Tells people what was supposed or ignored in reading the variable.
  void AddRemarks(const source::Variable& variable, const cf::Packing& packing);
  Result<size_t> Variable(const std::string& name, int line) const;
  Result<void> CheckExtents(const std::vector<Extent>& extents, const char* key) const;
  Result<void> AddVariable(const Requested& named);
  // Coordinates are written as they are: nothing can be said of them.
  Result<void> CheckCoordinate(const Requested& named) const;
  Result<void> Add(DataArray array, nd::DataType type, const std::string& codec, const std::string& attributes,
                   int line);
  const Layout& LayoutOf(const LayoutRequest& request);
  Result<std::vector<zarr::CodecSpec>> Codecs(nd::DataType type, std::string_view name) const;
  Result<void> CheckStandardize() const;
  Result<void> CheckPatches() const;
  // A sample of the minibatch fits into the data, between its gaps.
  Result<void> CheckMinibatch();
  Result<void> PlanBasis();
  // That the split holds enough of the year for the climatology asked for.
  Result<void> CheckHarmonics() const;
  Result<void> CheckTerms(const Basis& basis) const;
  // Variables that others name as coordinates, bounds or grid mappings come along where they are small.
  Result<void> AddAuxiliaries();
  Result<void> AddAuxiliary(const std::string& name);
  // Text: the last dimension is that of its bytes.
  bool AddText(const source::Variable& variable);
  void CleanReferences();
  void NamePlaces(DataArray& array, const std::set<std::string>& there) const;
  std::vector<std::string> References() const;
  void AddCoordinates();
  void AddBasis();
  void AddCoordinate(const PlannedDimension& dimension);
  // The variable that a coordinate of the output was made of; null: it was made here.
  const source::Variable* SourceOf(const SmallArray& coordinate) const;
  void AddSmall(const std::string& name, nd::DataType type, std::vector<std::string> dimensions, nd::Index shape,
                std::vector<std::byte> values, const std::string& attributes);
  Result<void> AddTasks();

  const Recipe& recipe_;
  const SourceFacts& facts_;
  const Record& before_;
  std::map<std::string, Layout> layouts_;  // that were solved, by what was asked
  Plan plan_;
};

}  // namespace seamount::prepare
