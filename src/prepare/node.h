// A variable in the making: one of the source, or a step with its inputs, which are variables in the making.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cf/packing.h"
#include "nd/box.h"
#include "prepare/facts.h"
#include "prepare/grid.h"
#include "prepare/step.h"
#include "source/dataset.h"

namespace seamount::prepare {

// Immutable; every method may be called from many threads.
class Node {
 public:
  explicit Node(Grid grid) : grid_(std::move(grid)) {}
  virtual ~Node() = default;
  const Grid& grid() const { return grid_; }
  // The values of a box, NaN where missing.
  virtual Result<void> Read(const nd::Box& box, std::span<double> into) const = 0;
  // All that the box's values depend on.
  virtual std::string Fingerprint(const nd::Box& box) const = 0;
  // What Read needs beyond `into`.
  virtual uint64_t Bytes(const nd::Box& box) const = 0;
  // Decoded bytes of the source's chunks that reading the box touches, for plans.
  virtual double TouchedBytes(const nd::Box& box) const = 0;
  // What it is made of, for people: "'u' and 'v' by derive, clip".
  virtual std::string From() const = 0;

 private:
  const Grid grid_;
};
using NodePtr = std::shared_ptr<const Node>;

// A variable of the source, decoded. The data set must outlive it.
class SourceNode final : public Node {
 public:
  SourceNode(Grid grid, const source::Dataset& dataset, std::shared_ptr<const SourceFacts> facts, size_t variable,
             cf::Packing packing)
      : Node(std::move(grid)),
        dataset_(dataset),
        facts_(std::move(facts)),
        variable_(variable),
        packing_(std::move(packing)) {}
  Result<void> Read(const nd::Box& box, std::span<double> into) const override;
  std::string Fingerprint(const nd::Box& box) const override;
  uint64_t Bytes(const nd::Box& box) const override;
  double TouchedBytes(const nd::Box& box) const override;
  std::string From() const override { return "'" + facts_->variables[variable_].name + "'"; }

 private:
  const source::Dataset& dataset_;
  const std::shared_ptr<const SourceFacts> facts_;
  const size_t variable_;
  const cf::Packing packing_;
};

// One value for each place of an axis.
class AxisNode final : public Node {
 public:
  AxisNode(Grid grid, std::vector<double> values) : Node(std::move(grid)), values_(std::move(values)) {}
  Result<void> Read(const nd::Box& box, std::span<double> into) const override;
  std::string Fingerprint(const nd::Box& box) const override;
  uint64_t Bytes(const nd::Box&) const override { return 0; }
  double TouchedBytes(const nd::Box&) const override { return 0; }
  std::string From() const override { return "'" + grid().axes[0]->name + "'"; }

 private:
  const std::vector<double> values_;
};

// Reads box by box where a step needs much at once.
class StepNode final : public Node {
 public:
  StepNode(std::string name, Grid grid, std::unique_ptr<Step> step, std::vector<NodePtr> inputs)
      : Node(std::move(grid)), name_(std::move(name)), step_(std::move(step)), inputs_(std::move(inputs)) {}
  Result<void> Read(const nd::Box& box, std::span<double> into) const override;
  std::string Fingerprint(const nd::Box& box) const override;
  uint64_t Bytes(const nd::Box& box) const override;
  double TouchedBytes(const nd::Box& box) const override;
  std::string From() const override;

 private:
  uint64_t InputBytes(const nd::Box& box) const;
  // A dimension along which the box should be halved, if it should.
  std::optional<size_t> Halved(const nd::Box& box) const;

  const std::string name_;  // of the step
  const std::unique_ptr<Step> step_;
  const std::vector<NodePtr> inputs_;
};

// The same values under other attributes.
NodePtr WithGrid(NodePtr node, Grid grid);

}  // namespace seamount::prepare
