// Within prepare's tests: a data set made of a function, and the plan that a recipe gives for it.
#pragma once

#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cf/attribute.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/facts.h"
#include "prepare/make_variables.h"
#include "prepare/planner.h"
#include "prepare/recipe.h"
#include "source/dataset.h"

namespace seamount::prepare {

// 36 months of a field on a 3 × 4 grid, from a function of (step, row, column).
class FakeDataset final : public source::Dataset {
 public:
  using Field = std::function<float(uint64_t, uint64_t, uint64_t)>;
  explicit FakeDataset(Field field, uint64_t steps = 36) : field_(std::move(field)), steps_(steps) {
    dimensions_ = {{"time", steps, true}, {"lat", 3, false}, {"lon", 4, false}};
    Add("time", nd::DataType::kFloat64, {"time"}, {{"units", nd::DataType::kChar, "months since 2000-01-16", {}}});
    Add("lat", nd::DataType::kFloat64, {"lat"}, {{"units", nd::DataType::kChar, "degrees_north", {}}});
    Add("lon", nd::DataType::kFloat64, {"lon"}, {{"units", nd::DataType::kChar, "degrees_east", {}}});
    Add("u", nd::DataType::kFloat32, {"time", "lat", "lon"},
        {{"units", nd::DataType::kChar, "m/s", {}}, {"_FillValue", nd::DataType::kFloat32, "", {-99}}});
  }
  const std::vector<source::FileIdentity>& files() const override { return files_; }
  const std::vector<source::Dimension>& dimensions() const override { return dimensions_; }
  const std::vector<source::Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return attributes_; }
  Result<void> ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const override {
    if (fail_reads && variable == 3) return base::Unavailable("the disk went away");
    SEAMOUNT_TRY(source::CheckBox(variables_[variable], box, into.size(), "fake.nc"));
    if (variable < 3) {
      for (uint64_t i = 0; i < box.shape[0]; ++i) {
        const double n = static_cast<double>(box.origin[0] + i);
        const double value = variable == 0 ? n : variable == 1 ? 30 - 30 * n : 90 * n;
        std::memcpy(into.data() + i * sizeof value, &value, sizeof value);
      }
      return {};
    }
    size_t at = 0;
    for (uint64_t t = 0; t < box.shape[0]; ++t) {
      for (uint64_t y = 0; y < box.shape[1]; ++y) {
        for (uint64_t x = 0; x < box.shape[2]; ++x, at += sizeof(float)) {
          const float value = field_(box.origin[0] + t, box.origin[1] + y, box.origin[2] + x);
          std::memcpy(into.data() + at, &value, sizeof value);
        }
      }
    }
    return {};
  }

  // As if the file had been copied anew.
  void Touch() { ++files_[0].modified_ns; }

  std::atomic<bool> fail_reads = false;

 private:
  void Add(const std::string& name, nd::DataType type, const std::vector<std::string>& dimensions,
           std::vector<cf::Attribute> attributes) {
    source::Variable variable;
    variable.name = name;
    variable.type = type;
    variable.dimensions = dimensions;
    for (const std::string& dimension : dimensions) {
      variable.shape.push_back(dimension == "time" ? steps_ : dimension == "lat" ? 3 : 4);
    }
    if (dimensions.size() == 3) variable.chunk_shape = {1, 3, 4};
    variable.attributes = std::move(attributes);
    variables_.push_back(std::move(variable));
  }

  Field field_;
  uint64_t steps_;
  std::vector<source::FileIdentity> files_ = {{.path = "fake.nc", .size_bytes = 1, .modified_ns = 2}};
  std::vector<source::Dimension> dimensions_;
  std::vector<source::Variable> variables_;
  std::vector<cf::Attribute> attributes_;
};

inline float Season(uint64_t t, uint64_t y, uint64_t x) {
  return static_cast<float>(10 * std::sin(static_cast<double>(t % 12)) + static_cast<double>(y) +
                            0.1 * static_cast<double>(x) + 0.01 * static_cast<double>(t * t % 17));
}

// A plan with what it is of.
struct Planned {
  MadeVariables made;
  Plan plan;
};

inline Result<Planned> PlannedOf(const std::string& yaml, const source::Dataset& dataset) {
  SEAMOUNT_TRY_ASSIGN(const Recipe recipe, ParseRecipe("source: fake.nc\n" + yaml, "r.yaml"));
  SEAMOUNT_TRY_ASSIGN(const SourceFacts facts, Describe(dataset));
  Planned out;
  SEAMOUNT_TRY_ASSIGN(out.made, MakeVariables(recipe, dataset, facts));
  SEAMOUNT_TRY_ASSIGN(out.plan, MakePlan(recipe, out.made.facts));
  return out;
}

inline Result<Plan> PlanOf(const std::string& yaml, const source::Dataset& dataset) {
  SEAMOUNT_TRY_ASSIGN(Planned planned, PlannedOf(yaml, dataset));
  return std::move(planned.plan);
}

}  // namespace seamount::prepare
