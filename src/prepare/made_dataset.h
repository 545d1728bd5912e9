// Variables in the making as a data set.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/node.h"

namespace seamount::prepare {

struct MadeVariables {
  std::unique_ptr<const source::Dataset> dataset;  // null: the recipe makes nothing, and the source is taken as it is
  SourceFacts facts;
  std::vector<std::string> notes;  // what a person should know

  const source::Dataset& of(const source::Dataset& source) const { return dataset == nullptr ? source : *dataset; }
};

class MadeDatasetBuilder {
 public:
  // `of_source`: the axes of the source's dimensions, by its names for them.
  MadeDatasetBuilder(const source::Dataset& dataset, std::shared_ptr<const SourceFacts> facts,
                     const std::map<std::string, AxisPtr>& of_source)
      : dataset_(dataset), facts_(std::move(facts)), source_axes_(of_source) {}

  // Both are InvalidArgument where another variable has other places along a dimension of the same name.
  Result<void> AddStored(const std::string& name, size_t variable, const Grid& grid);
  Result<void> AddMade(const std::string& name, NodePtr node);
  // With the coordinates of all dimensions, and those other variables of the source that still fit.
  MadeVariables Finish();

 private:
  Result<void> Unite(const std::string& name, const Grid& grid);
  bool Has(const std::string& name) const;
  const GridAxis* Find(const std::string& name) const;  // null: no variable has it
  // What a dimension of the source is called, if it is in the output as it is there; empty: it is not.
  std::string Placed(const std::string& dimension) const;
  void Add(source::Variable variable, NodePtr made, size_t of_source);
  void AddCoordinate(const GridAxis& axis);
  void AddDimensions();
  void AddOther(size_t variable);
  void NameReferences();

  const source::Dataset& dataset_;
  const std::shared_ptr<const SourceFacts> facts_;
  const std::map<std::string, AxisPtr>& source_axes_;
  std::vector<AxisPtr> axes_;                 // of all together
  std::map<std::string, std::string> free_;   // dimensions that nothing uses so far: by source's name
  std::map<std::string, std::string> named_;  // what the source's variables are called
  std::map<std::string, std::string> first_;  // the variable that brought the axis
  SourceFacts out_;
  std::vector<size_t> of_source_;  // by variable: its number in the source, where it is stored
};

}  // namespace seamount::prepare
