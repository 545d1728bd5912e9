#include "net/admission.h"

#include <algorithm>
#include <map>

namespace seamount::net {
namespace {

bool Earlier(const Connected* a, const Connected* b) { return a->since < b->since; }

// The one of `standing` that has stood so longest; null where there is none.
const Connected* Longest(const std::vector<Connected>& there, Standing standing) {
  const Connected* longest = nullptr;
  for (const Connected& one : there)
    if (one.standing == standing && (longest == nullptr || Earlier(&one, longest))) longest = &one;
  return longest;
}

// The stranger that has stood longest among those of the address that has most of them.
const Connected* StrangerToLeave(const std::vector<Connected>& there) {
  std::map<std::string_view, std::vector<const Connected*>> by_address;
  for (const Connected& one : there)
    if (one.standing == Standing::kStranger) by_address[one.address].push_back(&one);
  if (by_address.empty()) return nullptr;
  const auto most =
      std::ranges::max_element(by_address, {}, [](const auto& strangers) { return strangers.second.size(); });
  return *std::ranges::min_element(most->second, Earlier);
}

}  // namespace

Admission Admit(const std::vector<Connected>& there, const AdmissionLimits& limits) {
  const auto strangers = static_cast<size_t>(
      std::ranges::count(there, Standing::kStranger, [](const Connected& one) { return one.standing; }));
  if (strangers < limits.strangers && there.size() < limits.connections) return {};
  const Connected* leaves = StrangerToLeave(there);
  if (leaves == nullptr) leaves = Longest(there, Standing::kIdle);
  if (leaves == nullptr) leaves = Longest(there, Standing::kGuest);
  if (leaves == nullptr) return {.admitted = false, .closed = {}};
  return {.admitted = true, .closed = {leaves->id}};
}

}  // namespace seamount::net
