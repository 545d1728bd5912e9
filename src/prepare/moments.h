// What standardizing needs of a variable, and what it is taken from.
#pragma once

#include <chrono>
#include <string>

#include "exec/byte_budget.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"
#include "prepare/plan.h"
#include "source/dataset.h"

namespace seamount::prepare {

// What standardizing subtracts and divides by: mean and standard deviation, or the lower quantile and the distance of
// the upper one.
struct Moments {
  double mean = 0;
  double std = 1;
};

// Why a variable has none, and what to do: "'tp' does not vary in the split 'train': …".
Error NoMoments(const std::string& name, const std::string& why, const std::string& over);

struct StatisticsInputs {
  const Plan& plan;
  const SourceFacts& facts;
  const source::Dataset& dataset;
  exec::ThreadPool& pool;
  exec::ByteBudget& budget;
  exec::Progress& progress;  // counts decoded bytes
  std::string spill_directory;
  std::chrono::nanoseconds keep_after = std::chrono::seconds(1);  // what took longer is kept meanwhile (kept_sums.h)
};

}  // namespace seamount::prepare
