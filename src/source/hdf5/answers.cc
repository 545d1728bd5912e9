#include "source/hdf5/answers.h"

#include <hdf5.h>

#include <optional>
#include <string>

#include "nd/box.h"
#include "nd/data_type.h"
#include "source/child/wire.h"
#include "source/hdf5/attributes.h"
#include "source/hdf5/description.h"
#include "source/hdf5/far_file.h"
#include "source/hdf5/library.h"
#include "source/hdf5/metadata.h"

namespace seamount::source::hdf5 {

using FileHandle = Handle<H5Fclose>;
using DatasetHandle = Handle<H5Dclose>;
using SpaceHandle = Handle<H5Sclose>;
using PropertiesHandle = Handle<H5Pclose>;

namespace {

// The file of the last request stays open: a description is followed by questions for chunks.
struct OpenFile {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  std::string generation;
  bool local = false;
  FileHandle handle;
};

Result<hid_t> Opened(WireReader& in, const Fetch& fetch) {
  static OpenFile last;
  OpenFile wanted{in.Text(), in.Get<uint64_t>(), in.Get<int64_t>(), in.Text(), in.GetBool(), {}};
  if (!in.good()) return base::Internal("a malformed request");
  const bool same = last.handle && last.path == wanted.path && last.size_bytes == wanted.size_bytes &&
                    last.modified_ns == wanted.modified_ns && last.generation == wanted.generation;
  if (same) return last.handle.get();
  last = OpenFile();
  const PropertiesHandle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  if (!wanted.local && !ReadThrough(access.get(), fetch, wanted.size_bytes)) return base::Internal(LastError());
  wanted.handle = FileHandle(H5Fopen(wanted.path.c_str(), H5F_ACC_RDONLY, access.get()));
  if (!wanted.handle) return base::DataLoss(LastError());
  last = std::move(wanted);
  return last.handle.get();
}

Result<std::vector<std::byte>> Locate(hid_t file, WireReader& in) {
  const std::string path = in.Text();
  const auto chunk_shape = in.Numbers<uint64_t>();
  const auto grid = in.Numbers<uint64_t>();
  const auto first = in.Get<uint64_t>();
  const auto count = in.Get<uint64_t>();
  if (!in.whole() || grid.size() != chunk_shape.size()) return base::Internal("a malformed request");
  const DatasetHandle dataset(H5Dopen2(file, path.c_str(), H5P_DEFAULT));
  if (!dataset) return base::DataLoss(LastError());
  std::vector<ChunkAddress> chunks(count);
  std::vector<hsize_t> offset(grid.size());
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t number = first + i;
    for (size_t d = grid.size(); d-- > 0;) {
      offset[d] = number % grid[d] * chunk_shape[d];
      number /= grid[d];
    }
    unsigned mask = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info_by_coord(dataset.get(), offset.data(), &mask, &address, &size) < 0) {
      return base::DataLoss("its chunk index cannot be read: " + LastError());
    }
    if (address != HADDR_UNDEF && size > 0) chunks[i] = {address, size, mask};
  }
  return Serialize(chunks);
}

Result<std::vector<std::byte>> Read(hid_t file, WireReader& in) {
  const std::string path = in.Text();
  const auto type = in.GetEnum(nd::DataType::kOther);
  const nd::Box box{in.Numbers<uint64_t>(), in.Numbers<uint64_t>()};
  if (!in.whole()) return base::Internal("a malformed request");
  const DatasetHandle dataset(H5Dopen2(file, path.c_str(), H5P_DEFAULT));
  const SpaceHandle space(dataset ? H5Dget_space(dataset.get()) : -1);
  if (!space) return base::DataLoss(LastError());
  const int rank = static_cast<int>(box.shape.size());
  const std::vector<hsize_t> start(box.origin.begin(), box.origin.end());
  const std::vector<hsize_t> count(box.shape.begin(), box.shape.end());
  if (rank > 0) H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  const SpaceHandle memory(rank > 0 ? H5Screate_simple(rank, count.data(), nullptr) : H5Screate(H5S_SCALAR));
  std::vector<std::byte> into(nd::Elements(box.shape) * nd::SizeOf(type));
  if (H5Dread(dataset.get(), NativeType(type), memory.get(), space.get(), H5P_DEFAULT, into.data()) < 0) {
    return base::DataLoss(LastError());
  }
  return into;
}

}  // namespace

Result<std::vector<std::byte>> Answer(std::span<const std::byte> request, const Fetch& fetch) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  WireReader in(request);
  const auto kind = in.GetEnum(RequestKind::kRead);
  SEAMOUNT_TRY_ASSIGN(const hid_t file, Opened(in, fetch));
  if (kind == RequestKind::kLocate) return Locate(file, in);
  if (kind == RequestKind::kRead) return Read(file, in);
  SEAMOUNT_TRY_ASSIGN(const Description description, ReadMetadata(file));
  return Serialize(description);
}

}  // namespace seamount::source::hdf5
