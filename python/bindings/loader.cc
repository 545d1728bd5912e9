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

std::unique_ptr<Loader> Open(const std::string& url, std::vector<std::string> variables, std::string sample_dim,
                             std::vector<int64_t> inputs, std::vector<int64_t> targets, uint64_t batch_size,
                             const std::string& shuffle, uint64_t seed,
                             std::optional<std::pair<uint64_t, uint64_t>> select, bool normalize,
                             const std::map<std::string, std::pair<double, double>>& normalization, bool drop_last,
                             int threads, const std::string& memory, uint64_t rank, uint64_t world,
                             const std::string& endpoint, const std::string& key, bool anonymous,
                             const std::string& cache_dir, const std::string& cache_size) {
  loader::LoaderOptions options{.variables = std::move(variables),
                                .sample_dim = std::move(sample_dim),
                                .inputs = std::move(inputs),
                                .targets = std::move(targets),
                                .batch_size = batch_size,
                                .drop_last = drop_last,
                                .shuffle = ValueOrRaise(loader::ShuffleFromName(shuffle)),
                                .seed = seed,
                                .select = select,
                                .normalize = normalize,
                                .threads = threads,
                                .memory_bytes = ValueOrRaise(base::ParseBytes(memory)),
                                .rank = rank,
                                .world = world};
  for (const auto& [name, numbers] : normalization) options.normalization[name] = {numbers.first, numbers.second};
  const auto store = OpenStoreOrRaise(url, {.endpoint = endpoint,
                                            .key = key,
                                            .anonymous = anonymous,
                                            .cache_dir = cache_dir,
                                            .cache_bytes = ValueOrRaise(base::ParseBytes(cache_size))});
  return ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return Loader::Open(store, std::move(options), context); }));
}

// The loader's mutex may be held by another thread that waits for a batch; Python must go on meanwhile.
template <class F>
auto WithoutGil(F body) {
  const nb::gil_scoped_release released;
  return body();
}

// A NumPy array that views part of a batch and keeps its memory from being used again.
nb::object View(const Loader& loader, const Batch& batch, float* data, size_t leads) {
  std::vector<size_t> shape = {batch.index.size(), leads, loader.options().variables.size()};
  for (const uint64_t extent : loader.field_shape()) shape.push_back(extent);
  const nb::capsule owner(new std::shared_ptr<float>(batch.memory),
                          [](void* memory) noexcept { delete static_cast<std::shared_ptr<float>*>(memory); });
  return nb::ndarray<nb::numpy, float>(data, shape.size(), shape.data(), owner).cast();
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

// (inputs, targets or None, index), or None at the end of the epoch.
nb::object Next(Loader& loader) {
  const Waiting counted;
  for (bool ready = false; !ready;) {
    if (exiting) Raise(base::Cancelled("Python is going away"));
    ready = ValueOrRaise(WithoutGil([&] { return loader.Wait(kSignalInterval); }));
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
  const std::optional<Batch> batch = ValueOrRaise(WithoutGil([&] { return loader.Next(); }));
  if (!batch) return nb::none();
  nb::object targets = nb::none();
  if (batch->targets != nullptr) targets = View(loader, *batch, batch->targets, loader.options().targets.size());
  return nb::make_tuple(View(loader, *batch, batch->inputs, loader.options().inputs.size()), targets, IndexOf(*batch));
}

void Seek(Loader& loader, uint64_t seed, uint64_t epoch, uint64_t position) {
  CheckOrRaise(WithoutGil([&] { return loader.Seek({seed, epoch, position}); }));
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
      .def("next", &Next)
      .def("seek", &Seek, nb::arg("seed"), nb::arg("epoch"), nb::arg("position"))
      .def("state", &StateOf)
      .def("stats", &StatsOf)
      .def_prop_ro("order_id", &Loader::order_id)
      .def_prop_ro("samples", &Loader::samples)
      .def_prop_ro("batches_per_epoch", &Loader::batches_per_epoch)
      .def_prop_ro("field_shape", &Loader::field_shape)
      .def_prop_ro("field_dims", &Loader::field_dims);
  module.def("open_loader", &Open, nb::arg("url"), nb::kw_only(), nb::arg("variables"), nb::arg("sample_dim"),
             nb::arg("inputs"), nb::arg("targets"), nb::arg("batch_size"), nb::arg("shuffle"), nb::arg("seed"),
             nb::arg("select").none(), nb::arg("normalize"), nb::arg("normalization"), nb::arg("drop_last"),
             nb::arg("threads"), nb::arg("memory"), nb::arg("rank"), nb::arg("world"), nb::arg("endpoint"),
             nb::arg("key"), nb::arg("anonymous"), nb::arg("cache_dir"), nb::arg("cache_size"));
}

}  // namespace seamount::python
