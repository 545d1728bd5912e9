// Which names a listing asks for, and the tokens that pages go on by: the name that the next page begins with.
#pragma once

#include <string>

#include "base/result.h"

namespace seamount::server {

// The least string greater than every string that begins with `prefix`; empty if there is none.
std::string AfterPrefix(std::string prefix);

// Names n with from <= n and, unless it is empty, n < until.
struct ListBounds {
  std::string from;
  std::string until;
  bool holds(const std::string& name) const { return name >= from && (until.empty() || name < until); }
};
// What the parts of a listing's query ask for; empty ones ask for nothing. InvalidArgument for a page token that no
// server gave.
struct ListLimits {
  const std::string& prefix;
  const std::string& start_offset;
  const std::string& end_offset;
  const std::string& page_token;
};
Result<ListBounds> BoundsOf(const ListLimits& limits);

std::string PageTokenOf(const std::string& next_name);

}  // namespace seamount::server
