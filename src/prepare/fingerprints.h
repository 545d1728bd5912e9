// Within prepare: what each part of a plan depends on. Two plans give a part the same fingerprint exactly when its
// bytes would be the same, so that what is recorded under a fingerprint need not be made again.
#pragma once

#include <string>
#include <string_view>

#include "nd/box.h"
#include "prepare/facts.h"
#include "prepare/plan.h"
#include "prepare/recipe.h"
#include "zarr/array.h"

namespace seamount::prepare {

// 32 hexadecimal digits that stand for the text.
std::string Fingerprint(std::string_view text);

// Of a plan in the making, all of which outlive this. What a function needs of the plan must be there when it is
// called.
class Fingerprints {
 public:
  Fingerprints(const Recipe& recipe, const SourceFacts& facts, const Plan& plan)
      : recipe_(recipe), facts_(facts), plan_(plan) {}

  // What all regions of an array share: encoding, inputs with their attributes, transforms, the climatology's steps.
  std::string OfArray(const DataArray& array) const;
  // Of its climatology and moments.
  std::string OfStatistics(const DataArray& array) const;
  // Of one region: what its array has, and the parts of the files that it reads. Needs array.fingerprint.
  std::string OfTask(const DataArray& array, const nd::Box& region) const;
  // Of the whole. Needs every array's.
  std::string OfPlan() const;

 private:
  std::string ArrayText(const DataArray& array) const;

  const Recipe& recipe_;
  const SourceFacts& facts_;
  const Plan& plan_;
};

}  // namespace seamount::prepare
