// Conditions of IAM bindings and of access boundaries: the part of CEL that says which objects and until when.
//
//   resource.name.startsWith("projects/_/buckets/winds/objects/raw/") && request.time <
//   timestamp("2026-12-01T00:00:00Z")
//
// Taken are resource.name, resource.type, resource.service and request.time; api.getAttribute() of
// "storage.googleapis.com/objectListPrefix", which of a listing is the prefix that it asks for; text in either quotes;
// timestamp(text) and true and false; startsWith, endsWith, ==, != and, of times, <, <=, > and >=; !, &&, || and
// brackets. https://cloud.google.com/iam/docs/conditions-attribute-reference
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::server {

// What is asked for.
struct ConditionFacts {
  std::string resource_name;  // "projects/_/buckets/B" or "projects/_/buckets/B/objects/O"
  std::string resource_type;  // "storage.googleapis.com/Bucket", "storage.googleapis.com/Object"
  std::string list_prefix;    // of a listing; else empty
  base::SystemTime now;
};

// Immutable, so thread-safe.
class Condition {
 public:
  // At most 4 KiB. InvalidArgument, with the place and what was expected, for what this server does not evaluate.
  static Result<std::shared_ptr<const Condition>> Parse(std::string_view expression);
  bool Holds(const ConditionFacts& facts) const { return Truth(root_, facts); }

 private:
  friend class ConditionParser;
  enum class Kind {
    kText,
    kTime,
    kTruth,
    kName,
    kType,
    kService,
    kNow,
    kListPrefix,
    kNot,
    kAnd,
    kOr,
    kStarts,
    kEnds,
    kEqual,
    kUnequal,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual
  };
  struct Node {
    Kind kind;
    std::string text;       // of kText
    base::SystemTime time;  // of kTime
    bool truth = false;     // of kTruth
    size_t left = 0;        // in nodes_, as right
    size_t right = 0;
  };
  bool Truth(size_t node, const ConditionFacts& facts) const;
  bool Compare(const Node& node, const ConditionFacts& facts) const;
  std::string_view Text(size_t node, const ConditionFacts& facts) const;
  base::SystemTime Time(size_t node, const ConditionFacts& facts) const;

  std::vector<Node> nodes_;
  size_t root_ = 0;
};

}  // namespace seamount::server
