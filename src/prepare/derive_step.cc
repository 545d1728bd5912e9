#include "prepare/derive_step.h"

#include <algorithm>
#include <cctype>

namespace seamount::prepare {

Result<std::unique_ptr<DeriveStep>> DeriveStep::Make(const std::string& text, const std::string& units) {
  SEAMOUNT_TRY_ASSIGN(Expression expression, Expression::Parse(text));
  return std::unique_ptr<DeriveStep>(new DeriveStep(std::move(expression), text, units));
}

Result<void> DeriveStep::Apply(const nd::Box&, std::span<const std::span<const double>> inputs,
                               std::span<double> into) {
  return expression_.Evaluate(inputs, into);
}

std::string DeriveStep::Fingerprint(const nd::Box&) const {
  std::string text = text_;
  std::erase_if(text, [](unsigned char c) { return std::isspace(c); });  // no two words of one may touch
  return "derive " + text + "\n";
}

}  // namespace seamount::prepare
