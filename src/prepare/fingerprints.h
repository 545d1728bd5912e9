// Within prepare: what each part of a plan depends on. Two plans give a part the same fingerprint exactly when its
// bytes would be the same, so that what is recorded under a fingerprint need not be made again.
//
// A region depends on its encoding, on the parts of files that it reads, on the attributes that say what their numbers
// mean, and on its steps. Not on the text of the recipe, other variables, files it does not touch, or what the loader
// applies. Files are known by name, size and time of change. One that was merely touched is read again, but what comes
// out equal to what lies in the output is not written again (region_writer.h).
#pragma once

#include <string>
#include <string_view>

#include "nd/box.h"
#include "prepare/facts.h"
#include "prepare/plan.h"

namespace seamount::prepare {

// 32 hexadecimal digits that stand for the text.
std::string Fingerprint(std::string_view text);

// Of a plan in the making, all of which outlive this. What a function needs of the plan must be there when it is
// called.
class Fingerprints {
 public:
  Fingerprints(const SourceFacts& facts, const Plan& plan) : facts_(facts), plan_(plan) {}

  // How the values of an array become bytes.
  std::string OfEncoding(const DataArray& array) const;
  // Of its climatology: the steps that it is taken from, and nothing beside.
  std::string OfClimatology(size_t array) const;
  // Of its climatology and moments. Needs the climatology's.
  std::string OfStatistics(size_t array) const;
  // Of one region. Needs array.fingerprint and the climatology's.
  std::string OfTask(const DataArray& array, const nd::Box& region) const;
  // Of the whole content. Needs every array's and task's.
  std::string OfPlan() const;

 private:
  std::string SourceText(const DataArray& array, const nd::Box& region) const;
  std::string InputText(const DataArray& array) const;
  std::string StatisticsText(size_t array, const SplitRange& over) const;

  const SourceFacts& facts_;
  const Plan& plan_;
};

}  // namespace seamount::prepare
