#include "server/condition.h"

#include <algorithm>
#include <utility>

#include "gcs/wire.h"

namespace seamount::server {
namespace {

constexpr size_t kMaxBytes = 4 << 10;
constexpr int kMaxDepth = 24;
constexpr char kService[] = "storage.googleapis.com";
constexpr char kListPrefixAttribute[] = "storage.googleapis.com/objectListPrefix";

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

}  // namespace

// By recursive descent; each function takes what its name says and leaves its node's number.
class ConditionParser {
 public:
  explicit ConditionParser(std::string_view text) : text_(text) {}

  Result<std::shared_ptr<const Condition>> Whole() {
    auto condition = std::make_shared<Condition>();
    nodes_ = &condition->nodes_;
    SEAMOUNT_TRY_ASSIGN(condition->root_, Or());
    if (at_ < text_.size()) return Unexpected("the end, && or ||");
    return std::shared_ptr<const Condition>(std::move(condition));
  }

 private:
  using Kind = Condition::Kind;

  Error Unexpected(const std::string& expected) const {
    const std::string rest(text_.substr(at_, 24));
    return base::InvalidArgument("condition: expected " + expected + " at character " + std::to_string(at_ + 1) +
                                 (rest.empty() ? ", where it ends" : ", before '" + rest + "'"));
  }
  void SkipSpaces() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool Take(std::string_view token) {
    SkipSpaces();
    if (!text_.substr(at_).starts_with(token)) return false;
    const size_t end = at_ + token.size();
    if (IsLetter(token.back()) && end < text_.size() && IsLetter(text_[end])) return false;
    at_ = end;
    SkipSpaces();
    return true;
  }
  Result<void> Need(std::string_view token) {
    if (!Take(token)) return Unexpected("'" + std::string(token) + "'");
    return {};
  }
  size_t Add(Condition::Node node) {
    nodes_->push_back(std::move(node));
    return nodes_->size() - 1;
  }

  Result<size_t> Or() {
    SEAMOUNT_TRY_ASSIGN(size_t left, And());
    while (Take("||")) {
      SEAMOUNT_TRY_ASSIGN(const size_t right, And());
      left = Add({.kind = Kind::kOr, .left = left, .right = right});
    }
    return left;
  }
  Result<size_t> And() {
    SEAMOUNT_TRY_ASSIGN(size_t left, Not());
    while (Take("&&")) {
      SEAMOUNT_TRY_ASSIGN(const size_t right, Not());
      left = Add({.kind = Kind::kAnd, .left = left, .right = right});
    }
    return left;
  }
  Result<size_t> Not() {
    if (++depth_ > kMaxDepth)
      return base::InvalidArgument("condition: nested deeper than " + std::to_string(kMaxDepth));
    auto node = NotOf();
    --depth_;
    return node;
  }
  Result<size_t> NotOf() {
    SkipSpaces();
    if (text_.substr(at_).starts_with("!=")) return Unexpected("a value");
    if (Take("!")) {
      SEAMOUNT_TRY_ASSIGN(const size_t inner, Not());
      return Add({.kind = Kind::kNot, .left = inner});
    }
    if (Take("(")) {
      SEAMOUNT_TRY_ASSIGN(const size_t inner, Or());
      SEAMOUNT_TRY(Need(")"));
      return inner;
    }
    if (Take("true")) return Add({.kind = Kind::kTruth, .truth = true});
    if (Take("false")) return Add({.kind = Kind::kTruth, .truth = false});
    return Comparison();
  }

  bool IsTime(size_t node) const { return (*nodes_)[node].kind == Kind::kTime || (*nodes_)[node].kind == Kind::kNow; }

  Result<size_t> Comparison() {
    SEAMOUNT_TRY_ASSIGN(const size_t left, Value());
    if (!IsTime(left)) {
      for (const auto& [name, kind] : {std::pair(".startsWith", Kind::kStarts), std::pair(".endsWith", Kind::kEnds)}) {
        if (!Take(name)) continue;
        SEAMOUNT_TRY(Need("("));
        SEAMOUNT_TRY_ASSIGN(const size_t right, Value());
        if (IsTime(right)) return Unexpected("text");
        SEAMOUNT_TRY(Need(")"));
        return Add({.kind = kind, .left = left, .right = right});
      }
    }
    static constexpr std::pair<const char*, Kind> kOperators[] = {{"==", Kind::kEqual},     {"!=", Kind::kUnequal},
                                                                  {"<=", Kind::kLessEqual}, {">=", Kind::kGreaterEqual},
                                                                  {"<", Kind::kLess},       {">", Kind::kGreater}};
    for (const auto& [name, kind] : kOperators) {
      if (!Take(name)) continue;
      const size_t at = at_;
      SEAMOUNT_TRY_ASSIGN(const size_t right, Value());
      const bool ordered = kind != Kind::kEqual && kind != Kind::kUnequal;
      if (IsTime(left) != IsTime(right) || (ordered && !IsTime(left))) {
        at_ = at;
        return Unexpected(IsTime(left) ? "a time" : ordered ? "== or !=, since only times have an order" : "text");
      }
      return Add({.kind = kind, .left = left, .right = right});
    }
    return Unexpected(IsTime(left) ? "==, !=, <, <=, > or >=" : "==, !=, .startsWith( or .endsWith(");
  }

  Result<size_t> Value() {
    if (Take("resource.name")) return Add({.kind = Kind::kName});
    if (Take("resource.type")) return Add({.kind = Kind::kType});
    if (Take("resource.service")) return Add({.kind = Kind::kService});
    if (Take("request.time")) return Add({.kind = Kind::kNow});
    if (Take("timestamp")) return Timestamp();
    if (Take("api.getAttribute")) return Attribute();
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      SEAMOUNT_TRY_ASSIGN(std::string text, Quoted());
      return Add({.kind = Kind::kText, .text = std::move(text)});
    }
    return Unexpected(
        "resource.name, resource.type, resource.service, request.time, timestamp(…), api.getAttribute(…) or "
        "text in quotes");
  }
  Result<size_t> Timestamp() {
    SEAMOUNT_TRY(Need("("));
    const size_t at = at_;
    SEAMOUNT_TRY_ASSIGN(const std::string text, Quoted());
    const auto time = gcs::ParseTime(text);
    if (!time) {
      at_ = at;
      return Unexpected("a time as \"2026-12-31T00:00:00Z\"");
    }
    SEAMOUNT_TRY(Need(")"));
    return Add({.kind = Kind::kTime, .time = *time});
  }
  Result<size_t> Attribute() {
    SEAMOUNT_TRY(Need("("));
    const size_t at = at_;
    SEAMOUNT_TRY_ASSIGN(const std::string name, Quoted());
    if (name != kListPrefixAttribute) {
      at_ = at;
      return Unexpected("\"" + std::string(kListPrefixAttribute) + "\"");
    }
    SEAMOUNT_TRY(Need(","));
    const size_t otherwise = at_;
    SEAMOUNT_TRY_ASSIGN(const std::string none, Quoted());
    if (!none.empty()) {
      at_ = otherwise;
      return Unexpected("''");
    }
    SEAMOUNT_TRY(Need(")"));
    return Add({.kind = Kind::kListPrefix});
  }
  // A backslash stands before a quote or another one.
  Result<std::string> Quoted() {
    SkipSpaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '"' && quote != '\'') return Unexpected("text in quotes");
    std::string text;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == quote) {
        ++at_;
        SkipSpaces();
        return text;
      }
      if (text_[at_] == '\\') {
        ++at_;
        const char escaped = at_ < text_.size() ? text_[at_] : '\0';
        if (escaped != '\\' && escaped != '"' && escaped != '\'') return Unexpected("a quote or a backslash");
      }
      text += text_[at_];
    }
    return Unexpected("a closing quote");
  }

  const std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::vector<Condition::Node>* nodes_ = nullptr;
};

Result<std::shared_ptr<const Condition>> Condition::Parse(std::string_view expression) {
  if (expression.size() > kMaxBytes) return base::InvalidArgument("condition: longer than 4 KiB");
  return ConditionParser(expression).Whole();
}

bool Condition::Truth(size_t number, const ConditionFacts& facts) const {
  const Node& node = nodes_[number];
  switch (node.kind) {
    case Kind::kTruth: return node.truth;
    case Kind::kNot: return !Truth(node.left, facts);
    case Kind::kAnd: return Truth(node.left, facts) && Truth(node.right, facts);
    case Kind::kOr: return Truth(node.left, facts) || Truth(node.right, facts);
    case Kind::kStarts: return Text(node.left, facts).starts_with(Text(node.right, facts));
    case Kind::kEnds: return Text(node.left, facts).ends_with(Text(node.right, facts));
    default: return Compare(node, facts);
  }
}

bool Condition::Compare(const Node& node, const ConditionFacts& facts) const {
  const Kind left = nodes_[node.left].kind;
  if (left != Kind::kTime && left != Kind::kNow) {
    return (Text(node.left, facts) == Text(node.right, facts)) == (node.kind == Kind::kEqual);
  }
  const auto a = Time(node.left, facts);
  const auto b = Time(node.right, facts);
  switch (node.kind) {
    case Kind::kEqual: return a == b;
    case Kind::kUnequal: return a != b;
    case Kind::kLess: return a < b;
    case Kind::kLessEqual: return a <= b;
    case Kind::kGreater: return a > b;
    default: return a >= b;
  }
}

std::string_view Condition::Text(size_t number, const ConditionFacts& facts) const {
  const Node& node = nodes_[number];
  switch (node.kind) {
    case Kind::kName: return facts.resource_name;
    case Kind::kType: return facts.resource_type;
    case Kind::kService: return kService;
    case Kind::kListPrefix: return facts.list_prefix;
    default: return node.text;
  }
}

base::SystemTime Condition::Time(size_t number, const ConditionFacts& facts) const {
  return nodes_[number].kind == Kind::kNow ? facts.now : nodes_[number].time;
}

}  // namespace seamount::server
