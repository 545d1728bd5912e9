// How deep a JSON text nests, told before it is parsed: a parsed value is destroyed level by level, but it is copied,
// compared and walked by recursion, and a few hundred kilobytes of brackets would overflow the stack.
#pragma once

#include <string_view>

namespace seamount::base {

// No document that this product reads nests deeper than a dozen levels.
inline constexpr int kMaxJsonDepth = 64;

// Whether arrays and objects of `json` nest deeper than `levels`. Of a text that is not JSON either answer may come:
// the parser will refuse it.
bool NestsDeeper(std::string_view json, int levels = kMaxJsonDepth);

}  // namespace seamount::base
