// Arithmetic over variables, as recipes write it: "sqrt(u^2 + v^2)".
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace seamount::prepare {

// One expression with its variables bound; for one thread at a time.
class Expression {
 public:
  // InvalidArgument with what is wrong and where.
  static Result<Expression> Parse(const std::string& text);
  Expression(Expression&&) noexcept;
  ~Expression();

  // The variables it uses, in order of name.
  const std::vector<std::string>& names() const;
  // One value per element; inputs are in the order of names(), each as long as `into`. Where any of them is NaN,
  // so is the result, comparisons included.
  Result<void> Evaluate(std::span<const std::span<const double>> inputs, std::span<double> into);

 private:
  struct State;
  explicit Expression(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace seamount::prepare
