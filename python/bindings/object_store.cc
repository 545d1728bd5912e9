// The objects of a store as Python reads and writes them: what the fsspec filesystem and the zarr store stand on.
#include <fcntl.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <optional>

#include "base/fd.h"
#include "base/os_error.h"
#include "bindings/bindings.h"
#include "bindings/errors.h"
#include "bindings/interruptible.h"
#include "bindings/store.h"

namespace nb = nanobind;

namespace seamount::python {
namespace {

using store::Generation;
using store::ObjectInfo;

nb::dict ToDict(const ObjectInfo& info) {
  nb::dict dict;
  dict["key"] = info.key;
  dict["size"] = info.size_bytes;
  dict["generation"] = info.generation.text();
  dict["content_type"] = info.content_type;
  dict["metadata"] = info.metadata;
  dict["updated"] = std::chrono::duration<double>(info.updated.time_since_epoch()).count();
  dict["crc32c"] = info.crc32c;
  return dict;
}

// Empty text is kAbsent: "there must be none".
std::optional<Generation> Wanted(const std::optional<std::string>& generation) {
  return generation ? std::optional(Generation(*generation)) : std::nullopt;
}

// The bytes and what is known of the object, or None.
nb::object Read(const StoreHandle& handle, const std::string& key, std::optional<uint64_t> offset,
                std::optional<uint64_t> length, std::optional<uint64_t> suffix,
                const std::optional<std::string>& generation) {
  store::ReadOptions options{.if_generation = Wanted(generation)};
  if (suffix)
    options.range = store::ByteRange::Last(*suffix);
  else if (offset || length)
    options.range = store::ByteRange{.offset = offset.value_or(0), .length = length};
  const auto read = ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return handle.store->Read(key, options, context); }));
  if (!read) return nb::none();
  return nb::make_tuple(nb::bytes(reinterpret_cast<const char*>(read->data.data()), read->data.size()),
                        ToDict(read->info));
}

nb::object Stat(const StoreHandle& handle, const std::string& key) {
  const auto info =
      ValueOrRaise(Interruptibly([&](const CallContext& context) { return handle.store->Stat(key, context); }));
  return info ? nb::object(ToDict(*info)) : nb::none();
}

// Python's bytes, which its caller keeps for as long as the call lasts.
class BufferSource final : public store::ByteSource {
 public:
  explicit BufferSource(nb::handle data) {
    if (PyObject_GetBuffer(data.ptr(), &view_, PyBUF_CONTIG_RO) != 0) throw nb::python_error();
  }
  ~BufferSource() override { PyBuffer_Release(&view_); }
  BufferSource(const BufferSource&) = delete;
  BufferSource& operator=(const BufferSource&) = delete;
  uint64_t size() const override { return static_cast<uint64_t>(view_.len); }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    const std::span all(static_cast<const std::byte*>(view_.buf), static_cast<size_t>(view_.len));
    std::ranges::copy(all.subspan(offset, into.size()), into.begin());
    return {};
  }

 private:
  Py_buffer view_{};
};

nb::dict WriteFrom(const StoreHandle& handle, const std::string& key, const store::ByteSource& source,
                   const std::string& content_type, const std::map<std::string, std::string>& metadata,
                   const std::optional<std::string>& generation) {
  store::WriteOptions options{.if_generation = Wanted(generation), .metadata = metadata};
  if (!content_type.empty()) options.content_type = content_type;
  return ToDict(ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return handle.store->Write(key, source, options, context); })));
}

nb::dict Write(const StoreHandle& handle, const std::string& key, nb::handle data, const std::string& content_type,
               const std::map<std::string, std::string>& metadata, const std::optional<std::string>& generation) {
  const BufferSource source(data);
  return WriteFrom(handle, key, source, content_type, metadata, generation);
}

nb::dict WriteFile(const StoreHandle& handle, const std::string& key, const std::string& path,
                   const std::string& content_type, const std::map<std::string, std::string>& metadata,
                   const std::optional<std::string>& generation) {
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) Raise(base::OsError(errno, "opening '" + path + "'"));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) Raise(base::OsError(errno, "looking at '" + path + "'"));
  if (!S_ISREG(status.st_mode)) Raise(base::InvalidArgument("'" + path + "' is no regular file"));
  return WriteFrom(handle, key, store::FileSource(fd.get(), 0, static_cast<uint64_t>(status.st_size)), content_type,
                   metadata, generation);
}

bool Delete(const StoreHandle& handle, const std::string& key) {
  return ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return handle.store->Delete(key, {}, context); }));
}

// One page: ([object], [prefix], token of the next page or "").
nb::tuple List(const StoreHandle& handle, const std::string& prefix, const std::string& delimiter,
               const std::string& page_token, int max_results) {
  const store::ListOptions options{
      .prefix = prefix, .delimiter = delimiter, .page_token = page_token, .max_results = max_results};
  const auto page =
      ValueOrRaise(Interruptibly([&](const CallContext& context) { return handle.store->List(options, context); }));
  nb::list objects;
  for (const ObjectInfo& object : page.objects) objects.append(ToDict(object));
  return nb::make_tuple(objects, page.prefixes, page.next_page_token);
}

nb::dict Copy(const StoreHandle& handle, const std::string& from, const std::string& to) {
  return ToDict(ValueOrRaise(
      Interruptibly([&](const CallContext& context) { return handle.store->Copy(from, to, {}, context); })));
}

}  // namespace

void AddObjectStore(nb::module_& module) {
  nb::class_<StoreHandle>(module, "Store")
      .def("read", &Read, nb::arg("key"), nb::arg("offset").none() = nb::none(), nb::arg("length").none() = nb::none(),
           nb::arg("suffix").none() = nb::none(), nb::arg("generation").none() = nb::none())
      .def("stat", &Stat, nb::arg("key"))
      .def("write", &Write, nb::arg("key"), nb::arg("data"), nb::arg("content_type") = "",
           nb::arg("metadata") = std::map<std::string, std::string>(), nb::arg("generation").none() = nb::none())
      .def("write_file", &WriteFile, nb::arg("key"), nb::arg("path"), nb::arg("content_type") = "",
           nb::arg("metadata") = std::map<std::string, std::string>(), nb::arg("generation").none() = nb::none())
      .def("delete", &Delete, nb::arg("key"))
      .def("list", &List, nb::arg("prefix"), nb::arg("delimiter") = "", nb::arg("page_token") = "",
           nb::arg("max_results") = 1000)
      .def("copy", &Copy, nb::arg("source"), nb::arg("to"));
}

}  // namespace seamount::python
