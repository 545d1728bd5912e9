// What --json prints of a list.
#pragma once

#include <cstdio>
#include <string>

#include "cli/command.h"

namespace seamount::cli {

// An array on one line; `to_json` makes the JSON of a row.
template <typename Rows, typename ToJson>
int PrintJsonRows(const Rows& rows, ToJson to_json) {
  std::string all;
  for (const auto& row : rows) all += (all.empty() ? "[" : ",") + to_json(row).dump();
  std::puts(all.empty() ? "[]" : (all + "]").c_str());
  return kExitOk;
}

}  // namespace seamount::cli
