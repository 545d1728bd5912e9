// What a month costs, line by line: a pure function of how much of what, and the price table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cost/machines.h"
#include "cost/prices.h"

namespace seamount::cost {

inline constexpr char kInternet[] = "internet";  // a reader outside Google

// Of a month.
struct Usage {
  std::string location = "us-central1";  // of the bucket
  std::string storage_class = "standard";
  double stored_gib = 0;
  double writes = 0, reads = 0;  // requests
  double read_gib = 0;
  std::string reader;  // the region that reads, or kInternet; empty: the machine's, else the bucket's
  std::optional<Machine> machine;
  Provisioning provisioning = Provisioning::kStandard;
  std::string machine_region;  // empty: the bucket's
  double machine_hours = 0;
  double disk_gib = 100;  // of the machine, while it runs
};

struct CostLine {
  std::string what;  // "1 l4 on g2-standard-4, spot, in us-central1, 40 h"
  double usd = 0;
};

// InvalidArgument names a place, class or machine that the table has no price of. Lines of nothing are left out.
Result<std::vector<CostLine>> Estimate(const Usage& usage);
double TotalOf(const std::vector<CostLine>& lines);

}  // namespace seamount::cost
