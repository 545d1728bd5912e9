// A new variable, as an expression over others at the same place.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "prepare/expression.h"
#include "prepare/step.h"

namespace seamount::prepare {

class DeriveStep final : public Step {
 public:
  static Result<std::unique_ptr<DeriveStep>> Make(const std::string& expression);
  nd::Box InputRegion(const nd::Box& output) const override { return output; }
  Result<void> Apply(const nd::Box& region, std::span<const std::span<const double>> inputs,
                     std::span<double> into) override;
  // The expression without blanks: how it is spaced changes nothing.
  std::string Fingerprint(const nd::Box& region) const override;

 private:
  DeriveStep(Expression expression, std::string text) : expression_(std::move(expression)), text_(std::move(text)) {}
  Expression expression_;
  std::string text_;
};

}  // namespace seamount::prepare
