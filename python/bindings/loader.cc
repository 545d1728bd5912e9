#include "loader/loader.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <memory>
#include <thread>
#include <tuple>

#include "base/text.h"
#include "bindings/bindings.h"
#include "bindings/errors.h"
#include "bindings/interruptible.h"
#include "bindings/store.h"

namespace nb = nanobind;

namespace seamount::python {
namespace {

using loader::Batch;
using loader::Loader;

template <class T>
T Get(const nb::dict& from, const char* name) {
  return nb::cast<T>(from[name]);
}

std::map<std::string, loader::Normalization> NormalizationOf(const nb::dict& given) {
  std::map<std::string, loader::Normalization> normalization;
  for (const auto& [name, numbers] : Get<std::map<std::string, std::pair<double, double>>>(given, "normalization")) {
    normalization[name] = {numbers.first, numbers.second};
  }
  return normalization;
}

loader::MissingPolicy::Sample SampleOf(const nb::dict& given) {
  using Sample = loader::MissingPolicy::Sample;
  if (Get<bool>(given, "refuse")) return Sample::kRefuse;
  return Get<bool>(given, "skip") ? Sample::kSkip : Sample::kKeep;
}

nd::DataType TypeOf(const std::string& name) {
  for (const nd::DataType type :
       {nd::DataType::kFloat64, nd::DataType::kFloat16, nd::DataType::kInt8, nd::DataType::kUInt8, nd::DataType::kInt16,
        nd::DataType::kUInt16, nd::DataType::kInt32, nd::DataType::kUInt32, nd::DataType::kInt64,
        nd::DataType::kUInt64}) {
    if (name == nd::NameOf(type)) return type;
  }
  return name == "bfloat16" ? nd::DataType::kFloat16 : nd::DataType::kFloat32;
}

loader::SlotOptions SlotOf(const nb::dict& given) {
  return {.name = Get<std::string>(given, "name"),
          .variables = Get<std::vector<std::string>>(given, "variables"),
          .leads = Get<std::vector<int64_t>>(given, "leads"),
          .durations = Get<std::vector<int64_t>>(given, "durations"),
          .group = Get<uint32_t>(given, "group"),
          .dtype = TypeOf(Get<std::string>(given, "dtype")),
          .bfloat16 = Get<std::string>(given, "dtype") == "bfloat16",
          .patch_scale = Get<uint64_t>(given, "patch_scale"),
          .missing = {.fill = Get<std::optional<double>>(given, "fill"), .sample = SampleOf(given)},
          .normalize = Get<bool>(given, "normalize"),
          .normalization = NormalizationOf(given)};
}

loader::PatchOptions PatchesOf(const nb::dict& given) {
  loader::PatchOptions patches{.random = Get<uint64_t>(given, "random"),
                               .at = Get<std::vector<std::vector<uint64_t>>>(given, "at")};
  for (const auto& [name, size, stride, wrap] :
       Get<std::vector<std::tuple<std::string, uint64_t, uint64_t, bool>>>(given, "dims")) {
    patches.dims.push_back({name, size, stride, wrap});
  }
  return patches;
}

// What seamount.Loader passes on, by the names of its keywords.
loader::LoaderOptions OptionsOf(const nb::dict& given) {
  loader::LoaderOptions options{
      .sample_dim = Get<std::string>(given, "sample_dim"),
      .batch_size = Get<uint64_t>(given, "batch_size"),
      .drop_last = Get<bool>(given, "drop_last"),
      .shuffle = ValueOrRaise(loader::ShuffleFromName(Get<std::string>(given, "shuffle"))),
      .seed = Get<uint64_t>(given, "seed"),
      .patches = PatchesOf(Get<nb::dict>(given, "patches")),
      .across_gaps = Get<bool>(given, "across_gaps"),
      .missing_chunks = ValueOrRaise(loader::MissingChunksFromName(Get<std::string>(given, "missing_chunks"))),
      .threads = Get<int>(given, "threads"),
      .memory_bytes = ValueOrRaise(base::ParseBytes(Get<std::string>(given, "memory"))),
      .rank = Get<uint64_t>(given, "rank"),
      .world = Get<uint64_t>(given, "world"),
      .shown_as = Get<std::string>(given, "shown_as")};
  if (const auto where = Get<std::optional<std::vector<std::pair<uint64_t, uint64_t>>>>(given, "where")) {
    options.where.emplace();
    for (const auto& [begin, end] : *where) options.where->push_back({begin, end});
  }
  for (const auto& slot : Get<std::vector<nb::dict>>(given, "slots")) options.slots.push_back(SlotOf(slot));
  for (const auto& [begin, end] : Get<std::vector<std::pair<uint64_t, uint64_t>>>(given, "select")) {
    options.select.push_back({begin, end});
  }
  return options;
}

std::unique_ptr<Loader> Open(const nb::list& given, const nb::dict& options) {
  std::vector<loader::Group> groups;
  for (const nb::handle group : given) groups.push_back(nb::cast<const loader::Group&>(group));
  return ValueOrRaise(Interruptibly(
      [&, parsed = OptionsOf(options)](const CallContext& context) { return Loader::Open(groups, parsed, context); }));
}

// The loader's mutex may be held by another thread that waits for a batch; Python must go on meanwhile.
template <class F>
auto WithoutGil(F body) {
  const nb::gil_scoped_release released;
  return body();
}

// A NumPy array that views a slot of a batch and keeps its memory from being used again.
template <class T>
nb::object View(const loader::OutputSlot& slot, const Batch& batch, void* data) {
  if (data == nullptr) return nb::none();
  std::vector<size_t> shape = {batch.index.size(), slot.leads.size(), slot.variables.size()};
  shape.insert(shape.end(), slot.field_shape.begin(), slot.field_shape.end());
  const nb::capsule owner(new std::shared_ptr<std::byte>(batch.memory),
                          [](void* memory) noexcept { delete static_cast<std::shared_ptr<std::byte>*>(memory); });
  return nb::ndarray<nb::numpy, T>(static_cast<T*>(data), shape.size(), shape.data(), owner).cast();
}

nb::object DataOf(const loader::OutputSlot& slot, const Batch& batch, std::byte* data) {
  switch (slot.dtype) {
    case nd::DataType::kFloat64: return View<double>(slot, batch, data);
    case nd::DataType::kFloat16: return View<uint16_t>(slot, batch, data);  // Python says which kind
    case nd::DataType::kInt8: return View<int8_t>(slot, batch, data);
    case nd::DataType::kUInt8: return View<uint8_t>(slot, batch, data);
    case nd::DataType::kInt16: return View<int16_t>(slot, batch, data);
    case nd::DataType::kUInt16: return View<uint16_t>(slot, batch, data);
    case nd::DataType::kInt32: return View<int32_t>(slot, batch, data);
    case nd::DataType::kUInt32: return View<uint32_t>(slot, batch, data);
    case nd::DataType::kInt64: return View<int64_t>(slot, batch, data);
    case nd::DataType::kUInt64: return View<uint64_t>(slot, batch, data);
    default: return View<float>(slot, batch, data);
  }
}

nb::object NumbersOf(const std::vector<uint64_t>& numbers, const std::vector<size_t>& shape) {
  auto values = std::make_unique<std::vector<int64_t>>(numbers.begin(), numbers.end());
  int64_t* data = values->data();
  const nb::capsule owner(values.release(),
                          [](void* memory) noexcept { delete static_cast<std::vector<int64_t>*>(memory); });
  return nb::ndarray<nb::numpy, int64_t>(data, shape.size(), shape.data(), owner).cast();
}

// A daemon thread that comes back from a wait while Python goes away is ended by Python in a way that C++ answers with
// std::terminate. So at exit those that wait are called back first.
std::atomic<int> waiting = 0;
std::atomic<bool> exiting = false;

void AtExit() {
  exiting = true;
  const nb::gil_scoped_release released;
  for (int i = 0; i < 10 && waiting > 0; ++i) std::this_thread::sleep_for(kSignalInterval / 2);
}

struct Waiting {
  Waiting() { ++waiting; }
  ~Waiting() { --waiting; }
};

// None at the end of the epoch.
nb::object Next(Loader& loader, uint64_t epoch) {
  const Waiting counted;
  for (bool ready = false; !ready;) {
    if (exiting) Raise(base::Cancelled("Python is going away"));
    ready = ValueOrRaise(WithoutGil([&] { return loader.Wait(kSignalInterval, epoch); }));
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
  const std::optional<Batch> batch = ValueOrRaise(WithoutGil([&] { return loader.Next(epoch); }));
  if (!batch) return nb::none();
  nb::list slots;
  for (size_t i = 0; i < batch->slots.size(); ++i) {
    const loader::OutputSlot& slot = loader.slots()[i];
    slots.append(
        nb::make_tuple(DataOf(slot, *batch, batch->slots[i].data), View<bool>(slot, *batch, batch->slots[i].mask)));
  }
  nb::dict parts;
  parts["slots"] = slots;
  parts["index"] = NumbersOf(batch->index, {batch->index.size()});
  const size_t dims = loader.patches().dims();
  if (dims > 0) parts["patch"] = NumbersOf(batch->patch, {batch->index.size(), dims});
  parts["padding"] = batch->padding;
  parts["skipped"] = batch->skipped;
  parts["has_missing"] = batch->missing;
  return parts;
}

void Seek(Loader& loader, uint64_t seed, uint64_t epoch, uint64_t position) {
  CheckOrRaise(WithoutGil([&] { return loader.Seek({seed, epoch, position}); }));
}

void Resume(Loader& loader, uint64_t seed, uint64_t epoch, uint64_t position, const std::string& order) {
  CheckOrRaise(WithoutGil([&] { return loader.Resume({seed, epoch, position}, order); }));
}

// Of each slot, its field's dimension names and shape.
nb::list FieldsOf(const Loader& loader) {
  nb::list fields;
  for (size_t i = 0; i < loader.slots().size(); ++i) {
    fields.append(nb::make_tuple(loader.field_dims(i), loader.slots()[i].field_shape));
  }
  return fields;
}

// Of each dimension of the patches: its name, a patch's size and the dimension's length.
nb::list PatchDimsOf(const Loader& loader) {
  const loader::Patches& patches = loader.patches();
  nb::list dims;
  for (size_t d = 0; d < patches.dims(); ++d) {
    dims.append(nb::make_tuple(patches.name(d), patches.size(d), patches.length(d)));
  }
  return dims;
}

// Of each slot, whether its group has other steps than the first one.
std::vector<bool> OwnStepsOf(const Loader& loader) {
  std::vector<bool> own;
  for (const loader::OutputSlot& slot : loader.slots()) own.push_back(!slot.positions.empty());
  return own;
}

nb::tuple StateOf(const Loader& loader) {
  const auto state = WithoutGil([&] { return loader.state(); });
  return nb::make_tuple(state.seed, state.epoch, state.position);
}

// GCC 12 takes std::stop_source's passing itself on, as a tag, for a use of what is not made yet.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
Loader::Explanation Explain(const Loader& loader) {
  return ValueOrRaise(Interruptibly([&](const CallContext& context) { return loader.Explain(context); }));
}
#pragma GCC diagnostic pop

nb::dict ExplanationOf(const Loader& loader) {
  const Loader::Explanation told = Explain(loader);
  nb::list epochs;
  for (const loader::PlannedReads& reads : told.epochs) {
    nb::dict epoch;
    epoch["chunks"] = reads.chunks;
    epoch["fetches"] = reads.fetches;
    epoch["requests"] = reads.requests;
    epoch["batches"] = reads.batches;
    epochs.append(epoch);
  }
  nb::dict memory;
  memory["batches"] = told.memory.batch_bytes;
  memory["plan"] = told.memory.plan_bytes;
  memory["chunks"] = told.memory.retain.bytes;
  memory["ahead"] = told.memory.chunk_bytes - told.memory.retain.bytes;
  nb::dict all;
  all["epochs"] = epochs;
  all["memory"] = memory;
  all["chunk_bytes"] = told.chunk_bytes;
  all["encoded_ratio"] = told.measured.encoded_ratio;
  all["latency"] = told.measured.latency_seconds;
  all["connection_bandwidth"] = told.measured.connection_bytes_per_second;
  all["decode_bandwidth"] = told.measured.decode_bytes_per_second;
  all["threads"] = told.threads;
  return all;
}

nb::dict StatsOf(const Loader& loader) {
  const loader::Stats stats = WithoutGil([&] { return loader.stats(); });
  nb::dict counts;
  loader::ForEachStat(stats, [&](const char* name, const auto& value) { counts[name] = value; });
  const std::string bottleneck(loader::BottleneckOf(stats));
  counts["bottleneck"] = bottleneck.empty() ? nb::none() : nb::object(nb::cast(bottleneck));
  return counts;
}

}  // namespace

void AddLoader(nb::module_& module) {
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&AtExit));
  nb::class_<Loader>(module, "Loader")
      .def("next", &Next, nb::arg("epoch"))
      .def("seek", &Seek, nb::arg("seed"), nb::arg("epoch"), nb::arg("position"))
      .def("resume", &Resume, nb::arg("seed"), nb::arg("epoch"), nb::arg("position"), nb::arg("order"))
      .def("state", &StateOf)
      .def("stats", &StatsOf)
      .def("explain", &ExplanationOf)
      .def_prop_ro("order_id", [](const Loader& loader) { return WithoutGil([&] { return loader.order_id(); }); })
      .def_prop_ro("samples", &Loader::samples)
      .def_prop_ro("sample_dim", &Loader::sample_dim)
      .def_prop_ro("batches_per_epoch",
                   [](const Loader& loader) { return WithoutGil([&] { return loader.batches_per_epoch(); }); })
      .def_prop_ro("fields", &FieldsOf)
      .def_prop_ro("patches", &PatchDimsOf)
      .def_prop_ro("unmatched", &Loader::unmatched)
      .def_prop_ro("own_steps", &OwnStepsOf);
  module.def("open_loader", &Open, nb::arg("groups"), nb::arg("options"));
}

}  // namespace seamount::python
