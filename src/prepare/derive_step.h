// A new variable, as an expression over others at the same place.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "prepare/expression.h"
#include "prepare/step.h"

namespace seamount::prepare {

class DeriveStep final : public Step {
 public:
  // What units come of an expression is not worked out: they are those that the recipe names.
  static Result<std::unique_ptr<DeriveStep>> Make(const std::string& expression, const std::string& units);
  nd::Box InputRegion(const nd::Box& output) const override { return output; }
  Result<void> Apply(const nd::Box& region, std::span<const std::span<const double>> inputs,
                     std::span<double> into) override;
  std::string Units(std::span<const std::string>) const override { return units_; }
  // The expression without blanks: how it is spaced changes nothing.
  std::string Fingerprint(const nd::Box& region) const override;

 private:
  DeriveStep(Expression expression, std::string text, std::string units)
      : expression_(std::move(expression)), text_(std::move(text)), units_(std::move(units)) {}
  Expression expression_;
  std::string text_;
  std::string units_;
};

}  // namespace seamount::prepare
