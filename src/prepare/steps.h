// All steps there are. A new one is a file under steps/ and a line in the table of steps.cc: from the keys declared
// there follow what the parser takes and what the JSON Schema says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/grid.h"
#include "prepare/node.h"
#include "prepare/step.h"
#include "prepare/step_spec.h"

namespace seamount::prepare {

// What a step may know beside its own keys and input.
struct StepScope {
  bool for_all = false;  // it is one of the recipe's 'steps': variables without its dimensions go past it
  std::function<Result<NodePtr>(const std::string&)> find;  // another variable, by name
  std::vector<std::string>& notes;                          // for people
};

struct MadeStep {
  std::unique_ptr<Step> step;
  Grid grid;                       // of what comes out
  std::vector<NodePtr> more = {};  // inputs beside the first
};
// nullopt: the variable goes past the step.
using StepResult = Result<std::optional<MadeStep>>;

struct StepKind {
  std::string name;
  std::string says;  // for editors
  std::string
      short_key;  // what stands directly behind the name is this one's value: {clip: [0, 1]}; empty: nothing may
  std::vector<FieldSpec> fields;
  StepResult (*make)(const StepSpec& spec, const Grid& input, const StepScope& scope) = nullptr;
};

const std::vector<StepKind>& StepKinds();
const StepKind* FindStepKind(const std::string& name);

// The JSON Schema of one step, $defs/step of docs/recipe.schema.json.
std::string StepSchema();

// Where the input has the dimension. nullopt where a step for all finds none; else InvalidArgument.
Result<std::optional<size_t>> DimensionFor(const Grid& input, const std::string& dimension, const StepScope& scope);
// Likewise, of a time whose dates are known.
Result<std::optional<size_t>> TimeFor(const Grid& input, const StepScope& scope);

StepResult MakeClip(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeLog(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeLog1p(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeScale(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeRound(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeCheck(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeConvert(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeSelect(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeTimes(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeResample(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeRolling(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeLag(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeDeaccumulate(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeCoarsen(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeRegrid(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeFill(const StepSpec& spec, const Grid& input, const StepScope& scope);
StepResult MakeMask(const StepSpec& spec, const Grid& input, const StepScope& scope);

}  // namespace seamount::prepare
