#include "prepare/node.h"

#include <algorithm>
#include <optional>

#include "cf/decode.h"
#include "nd/data_type.h"
#include "prepare/source_text.h"

namespace seamount::prepare {
namespace {

constexpr uint64_t kAtOnceBytes = 16 << 20;  // of a step's inputs: a whole map of most models

class Buffers final : public Inputs {
 public:
  explicit Buffers(const std::vector<NodePtr>& nodes) : nodes_(nodes), held_(nodes.size()) {}
  Result<std::span<const double>> Read(size_t input, const nd::Box& box) override {
    Held& held = held_[input];
    const uint64_t elements = nd::Elements(box.shape);
    if (held.elements < elements) {
      held.values.reset();  // the two need not be held at once
      held.values.reset(new double[elements]);
      held.elements = elements;
    }
    const std::span<double> values(held.values.get(), elements);
    SEAMOUNT_TRY(nodes_[input]->Read(box, values));
    return std::span<const double>(values);
  }

 private:
  struct Held {
    std::unique_ptr<double[]> values;  // not set to zero first
    uint64_t elements = 0;
  };
  const std::vector<NodePtr>& nodes_;
  std::vector<Held> held_;
};

class RelabelledNode final : public Node {
 public:
  RelabelledNode(Grid grid, NodePtr node) : Node(std::move(grid)), node_(std::move(node)) {}
  Result<void> Read(const nd::Box& box, std::span<double> into) const override { return node_->Read(box, into); }
  std::string Fingerprint(const nd::Box& box) const override { return node_->Fingerprint(box); }
  uint64_t Bytes(const nd::Box& box) const override { return node_->Bytes(box); }
  double TouchedBytes(const nd::Box& box) const override { return node_->TouchedBytes(box); }
  std::string From() const override { return node_->From(); }

 private:
  const NodePtr node_;
};

}  // namespace

NodePtr WithGrid(NodePtr node, Grid grid) {
  return std::make_shared<const RelabelledNode>(std::move(grid), std::move(node));
}

Result<void> SourceNode::Read(const nd::Box& box, std::span<double> into) const {
  const source::Variable& variable = facts_->variables[variable_];
  const std::unique_ptr<std::byte[]> stored(new std::byte[into.size() * nd::SizeOf(variable.type)]);
  const std::span<std::byte> bytes(stored.get(), into.size() * nd::SizeOf(variable.type));
  SEAMOUNT_TRY(dataset_.ReadBox(variable_, box, bytes));
  cf::Decode(bytes, packing_, into);
  return {};
}

std::string SourceNode::Fingerprint(const nd::Box& box) const {
  return MeaningText(*facts_, variable_) + PartsText(*facts_, variable_, box);
}

uint64_t SourceNode::Bytes(const nd::Box& box) const {
  const source::Variable& variable = facts_->variables[variable_];
  return DecodingBytes(variable) + nd::Elements(box.shape) * nd::SizeOf(variable.type);
}

double SourceNode::TouchedBytes(const nd::Box& box) const {
  const source::Variable& variable = facts_->variables[variable_];
  double elements = nd::IsEmpty(box) ? 0 : 1;
  for (size_t d = 0; d < box.shape.size() && elements > 0; ++d) {
    const uint64_t chunk = variable.chunk_shape.empty() ? 1 : std::max<uint64_t>(1, variable.chunk_shape[d]);
    const uint64_t last = (box.origin[d] + box.shape[d] - 1) / chunk;
    elements *= static_cast<double>(std::min((last - box.origin[d] / chunk + 1) * chunk, variable.shape[d]));
  }
  return elements * static_cast<double>(nd::SizeOf(variable.type));
}

Result<void> AxisNode::Read(const nd::Box& box, std::span<double> into) const {
  std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(box.origin[0]), into.size(), into.begin());
  return {};
}

std::string AxisNode::Fingerprint(const nd::Box& box) const {
  std::string text = "places ";
  for (uint64_t i = box.origin[0]; i < box.origin[0] + box.shape[0]; ++i) text += NumberText(values_[i]) + ",";
  return text + "\n";
}

uint64_t StepNode::InputBytes(const nd::Box& box) const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    bytes += nd::Elements(step_->AtOnce(i, box).shape) * sizeof(double);
  }
  return bytes;
}

std::optional<size_t> StepNode::Halved(const nd::Box& box) const {
  if (InputBytes(box) <= kAtOnceBytes) return std::nullopt;
  for (size_t d = 0; d < box.shape.size(); ++d) {
    if (box.shape[d] > 1) return d;
  }
  return std::nullopt;
}

// The dimensions before the one that is halved have an extent of one, so that each half is dense in `into`.
Result<void> StepNode::Read(const nd::Box& box, std::span<double> into) const {
  const std::optional<size_t> along = Halved(box);
  if (!along) {
    Buffers buffers(inputs_);
    return step_->Apply(box, buffers, into);
  }
  nd::Box first = box;
  nd::Box second = box;
  first.shape[*along] = box.shape[*along] / 2;
  second.origin[*along] += first.shape[*along];
  second.shape[*along] -= first.shape[*along];
  const uint64_t elements = nd::Elements(first.shape);
  SEAMOUNT_TRY(Read(first, into.first(elements)));
  return Read(second, into.subspan(elements));
}

std::string StepNode::Fingerprint(const nd::Box& box) const {
  std::string text = step_->Fingerprint(box);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const nd::Box needed = step_->InputRegion(i, box);
    text += nd::IsEmpty(needed) ? "nothing\n" : inputs_[i]->Fingerprint(needed);
  }
  return text;
}

uint64_t StepNode::Bytes(const nd::Box& box) const {
  nd::Box part = box;
  for (auto along = Halved(part); along; along = Halved(part)) part.shape[*along] = (part.shape[*along] + 1) / 2;
  uint64_t deeper = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) deeper = std::max(deeper, inputs_[i]->Bytes(step_->AtOnce(i, part)));
  return InputBytes(part) + deeper;
}

double StepNode::TouchedBytes(const nd::Box& box) const {
  double bytes = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) bytes += inputs_[i]->TouchedBytes(step_->InputRegion(i, box));
  return bytes;
}

std::string StepNode::From() const {
  std::string inputs;
  for (const NodePtr& input : inputs_) inputs += (inputs.empty() ? "" : ", ") + input->From();
  return inputs + " → " + name_;
}

}  // namespace seamount::prepare
