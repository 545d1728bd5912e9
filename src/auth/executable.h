// Runs a program for what it prints.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "auth/token_source.h"
#include "base/clock.h"
#include "base/result.h"

namespace seamount::auth {

// Its standard output, at most 64 KiB. It is killed when it takes longer than `limit`, or when it is told to stop.
// `environment` is added to ours; its standard error is ours. A program that ends with another status than 0 has said
// what it has to say on standard output all the same.
Result<Secret> OutputOf(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
                        std::chrono::milliseconds limit, const CallContext& context);

}  // namespace seamount::auth
