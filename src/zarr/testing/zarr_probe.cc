// A small program through which tests written in Python read and write arrays with this module, in a plain folder:
//
//   zarr_probe read DIR PATH OUT [ORIGIN SHAPE]            elements → OUT, metadata in v3's form → stdout
//   zarr_probe write DIR PATH META IN [ORIGIN SHAPE [ATTRIBUTES]]   META: a zarr.json or .zarray; ATTRIBUTES: a .zattrs
//   zarr_probe group DIR PATH FORMAT ATTRIBUTES
//   zarr_probe consolidate DIR PATH
//   zarr_probe resize DIR PATH SHAPE
//   zarr_probe append DIR PATH AXIS IN
//
// ORIGIN and SHAPE are numbers with commas ("-" for none); without them the whole array is meant. The folder is read
// into a store in memory and written back, so that the program depends on nothing but this module.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/text.h"
#include "nd/box.h"
#include "store/memory/memory_store.h"
#include "zarr/array.h"
#include "zarr/group.h"

namespace seamount::zarr {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

Result<void> Load(Store& store, const fs::path& folder) {
  if (!fs::exists(folder)) return {};
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string key = fs::relative(entry.path(), folder).string();
    SEAMOUNT_TRY(store.Write(key, store::BytesSource(ReadFile(entry.path())), {}, {}));
  }
  return {};
}

Result<void> Save(Store& store, const fs::path& folder) {
  SEAMOUNT_TRY_ASSIGN(const auto page, store::ListAll(store, {}, {}));
  std::vector<fs::path> gone;
  if (fs::exists(folder)) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string key = fs::relative(entry.path(), folder).string();
      SEAMOUNT_TRY_ASSIGN(const auto there, store.Stat(key, {}));
      if (entry.is_regular_file() && !there) gone.push_back(entry.path());
    }
  }
  for (const fs::path& path : gone) fs::remove(path);
  for (const auto& object : page.objects) {
    SEAMOUNT_TRY_ASSIGN(const auto read, store.Read(object.key, {}, {}));
    WriteFile(folder / object.key, read->data.view());
  }
  return {};
}

nd::Index ParseNumbers(const std::string& text) {
  nd::Index numbers;
  if (text == "-") return numbers;
  for (const std::string& number : base::Split(text, ',')) numbers.push_back(std::stoull(number));
  return numbers;
}

nd::Box BoxFrom(const std::vector<std::string>& args, size_t at, const Array& array) {
  const nd::Index& shape = array.metadata().shape;
  if (args.size() <= at + 1) return {nd::Index(shape.size(), 0), shape};
  return {ParseNumbers(args[at]), ParseNumbers(args[at + 1])};
}

Result<void> ReadCommand(const std::shared_ptr<Store>& store, const std::vector<std::string>& args) {
  exec::ThreadPool pool(2);
  SEAMOUNT_TRY_ASSIGN(const auto array, Array::Open(store, args[2], {}));
  const nd::Box box = BoxFrom(args, 4, *array);
  std::string elements(nd::Elements(box.shape) * ElementTypeOf(array->metadata()).size, '\0');
  SEAMOUNT_TRY(array->ReadRegion(box, std::as_writable_bytes(std::span(elements)), &pool, {}));
  WriteFile(args[3], elements);
  std::cout << SerializeArrayMetadataV3(array->metadata()) << "\n";
  return {};
}

Result<void> WriteCommand(const std::shared_ptr<Store>& store, const std::vector<std::string>& args) {
  exec::ThreadPool pool(2);
  const std::string document = ReadFile(args[3]);
  const std::string attributes = args.size() > 7 ? ReadFile(args[7]) : "{}";
  auto metadata = document.find("node_type") != std::string::npos ? ParseArrayMetadataV3(document)
                                                                  : ParseArrayMetadataV2(document, attributes);
  if (!metadata) return metadata.error();
  SEAMOUNT_TRY_ASSIGN(const auto array, Array::Create(store, args[2], *std::move(metadata), false, {}));
  const std::string elements = ReadFile(args[4]);
  return array->WriteRegion(BoxFrom(args, 5, *array), std::as_bytes(std::span(elements)), &pool, {});
}

Result<void> ResizeCommand(const std::shared_ptr<Store>& store, const std::vector<std::string>& args) {
  exec::ThreadPool pool(2);
  SEAMOUNT_TRY_ASSIGN(const auto array, Array::Open(store, args[2], {}));
  if (args[0] == "resize") {
    SEAMOUNT_TRY(array->Resized(ParseNumbers(args[3]), &pool, {}));
    return {};
  }
  const std::string elements = ReadFile(args[4]);
  SEAMOUNT_TRY(array->Appended(std::stoull(args[3]), std::as_bytes(std::span(elements)), &pool, {}));
  return {};
}

Result<void> Run(const std::vector<std::string>& args) {
  if (args.size() < 3)
    return base::InvalidArgument("read, write, resize, append, group or consolidate, DIR and PATH expected");
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  SEAMOUNT_TRY(Load(*store, args[1]));
  if (args[0] == "read" && args.size() >= 4) return ReadCommand(store, args);
  if (args[0] == "write" && args.size() >= 5) {
    SEAMOUNT_TRY(WriteCommand(store, args));
  } else if ((args[0] == "resize" && args.size() == 4) || (args[0] == "append" && args.size() == 5)) {
    SEAMOUNT_TRY(ResizeCommand(store, args));
  } else if (args[0] == "group" && args.size() == 5) {
    const GroupMetadata metadata{.format = std::stoi(args[3]), .attributes_json = args[4]};
    SEAMOUNT_TRY(CreateGroup(*store, args[2], metadata, false, {}));
  } else if (args[0] == "consolidate") {
    SEAMOUNT_TRY(ConsolidateMetadata(*store, args[2], {}));
  } else {
    return base::InvalidArgument("unknown command '" + args[0] + "'");
  }
  return Save(*store, args[1]);
}

}  // namespace
}  // namespace seamount::zarr

int main(int argc, char** argv) {
  const auto done = seamount::zarr::Run({argv + 1, argv + argc});
  if (done) return 0;
  std::cerr << done.error().ToString() << "\n";
  return 1;
}
