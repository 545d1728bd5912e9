#include "prepare/steps/derive.h"

#include <algorithm>
#include <cctype>

#include "prepare/steps/spread.h"

namespace seamount::prepare {
namespace {

class DeriveStep final : public Step {
 public:
  // `dimensions`: for each input, which of the output's dimensions its own are.
  DeriveStep(std::string expression, std::vector<std::vector<size_t>> dimensions)
      : expression_(std::move(expression)), dimensions_(std::move(dimensions)) {}

  nd::Box InputRegion(size_t input, const nd::Box& output) const override { return PartOf(output, dimensions_[input]); }

  // Those with fewer dimensions are spread over all.
  nd::Box AtOnce(size_t, const nd::Box& output) const override { return output; }

  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const override {
    std::vector<std::span<const double>> values(dimensions_.size());
    std::vector<std::vector<double>> spread(dimensions_.size());
    for (size_t i = 0; i < dimensions_.size(); ++i) {
      SEAMOUNT_TRY_ASSIGN(values[i], inputs.Read(i, InputRegion(i, region)));
      values[i] = Spread(values[i], region, dimensions_[i], spread[i]);
    }
    SEAMOUNT_TRY_ASSIGN(std::unique_ptr<Expression> expression, Take());
    auto done = expression->Evaluate(values, into);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(expression));
    return done;
  }

  // The expression without blanks: how it is spaced changes nothing. No two words of one may touch.
  std::string Fingerprint(const nd::Box&) const override {
    std::string text = expression_;
    std::erase_if(text, [](unsigned char c) { return std::isspace(c); });
    for (const std::vector<size_t>& own : dimensions_) {
      text += ";";
      for (const size_t d : own) text += std::to_string(d) + ",";
    }
    return "derive " + text + "\n";
  }

 private:
  // A parser is for one thread at a time.
  Result<std::unique_ptr<Expression>> Take() const {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto expression = std::move(idle_.back());
        idle_.pop_back();
        return expression;
      }
    }
    SEAMOUNT_TRY_ASSIGN(Expression expression, Expression::Parse(expression_));
    return std::make_unique<Expression>(std::move(expression));
  }

  const std::string expression_;
  const std::vector<std::vector<size_t>> dimensions_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Expression>> idle_;
};

}  // namespace

Result<NodePtr> MakeDerived(const std::string& expression, const std::vector<std::string>& names,
                            const std::vector<NodePtr>& inputs) {
  size_t most = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->grid().axes.size() > inputs[most]->grid().axes.size()) most = i;
  }
  Grid grid = inputs[most]->grid();
  grid.attributes.clear();
  bool single = true;
  bool measured = false;
  std::vector<std::string> from(grid.axes.size(), names[most]);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Grid& own = inputs[i]->grid();
    single = single && (own.single || own.exact);
    measured = measured || !own.exact;
    for (size_t d = 0; d < own.axes.size(); ++d) {
      const AxisPtr& axis = own.axes[d];
      const auto found = std::find_if(grid.axes.begin(), grid.axes.end(),
                                      [&](const AxisPtr& other) { return other->name == axis->name; });
      if (found != grid.axes.end()) {
        if (SameAxis(**found, *axis)) continue;
        return base::InvalidArgument("'" + names[i] + "' has other dimensions than '" +
                                     from[static_cast<size_t>(found - grid.axes.begin())] + "': other places along '" +
                                     axis->name + "'");
      }
      // Samples follow one another along time: it comes first.
      const bool first = axis->kind == cf::Axis::kTime;
      grid.axes.insert(first ? grid.axes.begin() : grid.axes.end(), axis);
      from.insert(first ? from.begin() : from.end(), names[i]);
      if (!grid.chunk.empty()) grid.chunk.insert(first ? grid.chunk.begin() : grid.chunk.end(), first ? 1 : axis->size);
    }
  }
  grid.single = single && measured;
  grid.exact = false;
  std::vector<std::vector<size_t>> dimensions;
  for (const NodePtr& input : inputs) {
    std::vector<size_t>& own = dimensions.emplace_back();
    for (const AxisPtr& axis : input->grid().axes) own.push_back(*grid.Find(axis->name));
  }
  auto step = std::make_unique<DeriveStep>(expression, std::move(dimensions));
  return NodePtr(std::make_shared<const StepNode>("derive", std::move(grid), std::move(step), inputs));
}

}  // namespace seamount::prepare
