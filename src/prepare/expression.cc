#include "prepare/expression.h"

#include <muParser.h>

#include <cctype>
#include <cmath>
#include <limits>
#include <numbers>

namespace seamount::prepare {

struct Expression::State {
  mu::Parser parser;
  std::vector<std::string> names;
  std::vector<double> values;  // muParser reads the variables through these addresses
};

namespace {

std::string Functions(const mu::Parser& parser) {
  std::string names;
  for (const auto& [name, unused] : parser.GetFunDef()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

// What muParser calls an unexpected parenthesis is mostly a function that there is not.
std::string Explain(const mu::Parser& parser, const std::string& text) {
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t open = text.find('('); open != std::string::npos; open = text.find('(', open + 1)) {
    size_t end = open;
    while (end > 0 && text[end - 1] == ' ') --end;
    size_t start = end;
    while (start > 0 && is_name(text[start - 1])) --start;
    const std::string name = text.substr(start, end - start);
    if (name.empty() || parser.GetFunDef().contains(name)) continue;
    return ": there is no function '" + name + "', only " + Functions(parser);
  }
  return "";
}

}  // namespace

Expression::Expression(std::unique_ptr<State> state) : state_(std::move(state)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression::~Expression() = default;

const std::vector<std::string>& Expression::names() const { return state_->names; }

Result<Expression> Expression::Parse(const std::string& text) {
  auto state = std::make_unique<State>();
  // muParser throws; nothing leaves these functions.
  try {
    state->parser.DefineFun("rad", [](double degrees) { return degrees * std::numbers::pi / 180; });
    state->parser.DefineFun("deg", [](double radians) { return radians * 180 / std::numbers::pi; });
    state->parser.SetExpr(text);
    for (const auto& [name, unused] : state->parser.GetUsedVar()) state->names.push_back(name);
    state->values.resize(state->names.size());
    for (size_t i = 0; i < state->names.size(); ++i) state->parser.DefineVar(state->names[i], &state->values[i]);
    state->parser.Eval();
    if (state->parser.GetNumResults() != 1) return base::InvalidArgument("'" + text + "' has more than one value");
  } catch (const mu::Parser::exception_type& error) {
    const std::string unknown = Explain(state->parser, text);
    return base::InvalidArgument("the expression '" + text + "' is wrong" +
                                 (unknown.empty() ? ": " + error.GetMsg() : unknown));
  }
  return Expression(std::move(state));
}

Result<void> Expression::Evaluate(std::span<const std::span<const double>> inputs, std::span<double> into) {
  try {
    for (size_t i = 0; i < into.size(); ++i) {
      bool missing = false;
      for (size_t v = 0; v < inputs.size(); ++v) {
        state_->values[v] = inputs[v][i];
        missing = missing || std::isnan(inputs[v][i]);
      }
      into[i] = missing ? std::numeric_limits<double>::quiet_NaN() : state_->parser.Eval();
    }
  } catch (const mu::Parser::exception_type& error) {
    return base::InvalidArgument("evaluating '" + state_->parser.GetExpr() + "': " + error.GetMsg());
  }
  return {};
}

}  // namespace seamount::prepare
