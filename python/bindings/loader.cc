#include "loader/loader.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <memory>
#include <thread>

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

// What seamount.Loader passes on; the names are the keywords.
struct OpenArguments {
  std::vector<std::string> variables;
  std::string sample_dim;
  std::vector<int64_t> inputs;
  std::vector<int64_t> targets;
  uint64_t batch_size = 0;
  std::string shuffle;
  uint64_t seed = 0;
  std::vector<std::pair<uint64_t, uint64_t>> select;
  bool across_gaps = false;
  bool normalize = false;
  std::map<std::string, std::pair<double, double>> normalization;
  std::optional<double> fill;
  std::string missing_chunks;
  bool drop_last = false;
  int threads = 0;
  std::string memory;
  uint64_t rank = 0;
  uint64_t world = 1;
};

loader::LoaderOptions OptionsOf(const OpenArguments& arguments) {
  loader::LoaderOptions options{.variables = arguments.variables,
                                .sample_dim = arguments.sample_dim,
                                .inputs = arguments.inputs,
                                .targets = arguments.targets,
                                .batch_size = arguments.batch_size,
                                .drop_last = arguments.drop_last,
                                .shuffle = ValueOrRaise(loader::ShuffleFromName(arguments.shuffle)),
                                .seed = arguments.seed,
                                .across_gaps = arguments.across_gaps,
                                .normalize = arguments.normalize,
                                .missing = {.fill = arguments.fill},
                                .missing_chunks = ValueOrRaise(loader::MissingChunksFromName(arguments.missing_chunks)),
                                .threads = arguments.threads,
                                .memory_bytes = ValueOrRaise(base::ParseBytes(arguments.memory)),
                                .rank = arguments.rank,
                                .world = arguments.world};
  for (const auto& [begin, end] : arguments.select) options.select.push_back({begin, end});
  for (const auto& [name, numbers] : arguments.normalization) {
    options.normalization[name] = {numbers.first, numbers.second};
  }
  return options;
}

template <class T>
void Get(const nb::dict& from, const char* name, T& to) {
  to = nb::cast<T>(from[name]);
}

std::unique_ptr<Loader> Open(const loader::Group& group, const nb::dict& given) {
  OpenArguments arguments;
  Get(given, "variables", arguments.variables);
  Get(given, "sample_dim", arguments.sample_dim);
  Get(given, "inputs", arguments.inputs);
  Get(given, "targets", arguments.targets);
  Get(given, "batch_size", arguments.batch_size);
  Get(given, "shuffle", arguments.shuffle);
  Get(given, "seed", arguments.seed);
  Get(given, "select", arguments.select);
  Get(given, "across_gaps", arguments.across_gaps);
  Get(given, "normalize", arguments.normalize);
  Get(given, "normalization", arguments.normalization);
  Get(given, "fill", arguments.fill);
  Get(given, "missing_chunks", arguments.missing_chunks);
  Get(given, "drop_last", arguments.drop_last);
  Get(given, "threads", arguments.threads);
  Get(given, "memory", arguments.memory);
  Get(given, "rank", arguments.rank);
  Get(given, "world", arguments.world);
  return ValueOrRaise(Interruptibly([&, options = OptionsOf(arguments)](const CallContext& context) {
    return Loader::Open(group, options, context);
  }));
}

// The loader's mutex may be held by another thread that waits for a batch; Python must go on meanwhile.
template <class F>
auto WithoutGil(F body) {
  const nb::gil_scoped_release released;
  return body();
}

// A NumPy array that views part of a batch and keeps its memory from being used again.
template <class T>
nb::object View(const Loader& loader, const Batch& batch, T* data, size_t leads) {
  if (data == nullptr) return nb::none();
  std::vector<size_t> shape = {batch.index.size(), leads, loader.options().variables.size()};
  for (const uint64_t extent : loader.field_shape()) shape.push_back(extent);
  const nb::capsule owner(new std::shared_ptr<std::byte>(batch.memory),
                          [](void* memory) noexcept { delete static_cast<std::shared_ptr<std::byte>*>(memory); });
  return nb::ndarray<nb::numpy, T>(data, shape.size(), shape.data(), owner).cast();
}

nb::object IndexOf(const Batch& batch) {
  auto values = std::make_unique<std::vector<int64_t>>(batch.index.begin(), batch.index.end());
  int64_t* data = values->data();
  const size_t count = values->size();
  const nb::capsule owner(values.release(),
                          [](void* memory) noexcept { delete static_cast<std::vector<int64_t>*>(memory); });
  return nb::ndarray<nb::numpy, int64_t>(data, {count}, owner).cast();
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
  const size_t inputs = loader.options().inputs.size();
  const size_t targets = loader.options().targets.size();
  nb::dict parts;
  parts["inputs"] = View(loader, *batch, batch->inputs.data, inputs);
  parts["targets"] = View(loader, *batch, batch->targets.data, targets);
  parts["index"] = IndexOf(*batch);
  parts["inputs_missing"] = View(loader, *batch, reinterpret_cast<bool*>(batch->inputs.mask), inputs);
  parts["targets_missing"] = View(loader, *batch, reinterpret_cast<bool*>(batch->targets.mask), targets);
  parts["padding"] = batch->padding;
  parts["has_missing"] = batch->missing;
  return parts;
}

void Seek(Loader& loader, uint64_t seed, uint64_t epoch, uint64_t position) {
  CheckOrRaise(WithoutGil([&] { return loader.Seek({seed, epoch, position}); }));
}

void Resume(Loader& loader, uint64_t seed, uint64_t epoch, uint64_t position, const std::string& order) {
  CheckOrRaise(WithoutGil([&] { return loader.Resume({seed, epoch, position}, order); }));
}

nb::tuple StateOf(const Loader& loader) {
  const auto state = WithoutGil([&] { return loader.state(); });
  return nb::make_tuple(state.seed, state.epoch, state.position);
}

nb::dict StatsOf(const Loader& loader) {
  const loader::Stats stats = WithoutGil([&] { return loader.stats(); });
  nb::dict counts;
  counts["batches"] = stats.batches;
  counts["samples"] = stats.samples;
  counts["bytes_fetched"] = stats.bytes_fetched;
  counts["requests"] = stats.requests;
  counts["chunks_fetched"] = stats.chunks_fetched;
  counts["chunks_absent"] = stats.chunks_absent;
  counts["chunks_decoded"] = stats.chunks_decoded;
  counts["bytes_decoded"] = stats.bytes_decoded;
  counts["cache_hits"] = stats.chunk_hits;
  counts["fetch_threads"] = stats.fetch_threads;
  counts["memory_peak"] = stats.memory_peak;
  counts["wait_seconds"] = stats.wait_seconds;
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
      .def_prop_ro("order_id", [](const Loader& loader) { return WithoutGil([&] { return loader.order_id(); }); })
      .def_prop_ro("samples", &Loader::samples)
      .def_prop_ro("sample_dim", [](const Loader& loader) { return loader.options().sample_dim; })
      .def_prop_ro("batches_per_epoch",
                   [](const Loader& loader) { return WithoutGil([&] { return loader.batches_per_epoch(); }); })
      .def_prop_ro("field_shape", &Loader::field_shape)
      .def_prop_ro("field_dims", &Loader::field_dims);
  module.def("open_loader", &Open, nb::arg("group"), nb::arg("options"));
}

}  // namespace seamount::python
