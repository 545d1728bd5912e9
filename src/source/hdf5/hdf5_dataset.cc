#include "source/hdf5/hdf5_dataset.h"

#include <hdf5.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "cf/attribute.h"
#include "nd/byte_order.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "source/hdf5/attributes.h"
#include "source/hdf5/filters.h"
#include "source/hdf5/library.h"
#include "source/hdf5/metadata.h"

namespace seamount::source::hdf5 {

using FileHandle = Handle<H5Fclose>;
using DatasetHandle = Handle<H5Dclose>;
using SpaceHandle = Handle<H5Sclose>;
using PropertiesHandle = Handle<H5Pclose>;

namespace {
std::mutex& LibraryMutex() {
  static std::mutex mutex;
  return mutex;
}

// H5Dget_chunk_info walks the chunk index from its start on every call (HDF5 1.10), so that the table of n chunks costs
// n²/2 steps. Above this many the stored bytes are fetched by H5Dread_chunk, which searches, under the lock.
constexpr hsize_t kMaxTableChunks = 8192;
constexpr uint64_t kMaxGridCells = 1 << 20;             // a table of mostly unwritten chunks is not worth its memory
constexpr uint64_t kMaxChunkBytes = uint64_t{4} << 30;  // HDF5's own limit

struct ChunkInfo {
  haddr_t address = HADDR_UNDEF;  // undefined: never written
  uint64_t stored_bytes = 0;
  uint32_t mask = 0;
};

// Where one variable's bytes lie, found the first time it is read.
struct Addresses {
  std::once_flag once;
  std::optional<Error> error;
  haddr_t contiguous = HADDR_UNDEF;
  bool table = false;  // chunks are listed, by row-major number in the grid
  nd::Index grid;
  std::vector<ChunkInfo> chunks;
};

FilterScratch& Scratch() {
  thread_local FilterScratch scratch;
  return scratch;
}

std::vector<std::byte>& Reusable(size_t size, int slot) {
  thread_local std::vector<std::byte> buffers[2];
  std::vector<std::byte>& buffer = buffers[slot];
  if (buffer.size() < size) buffer.resize(size);
  return buffer;
}

class Hdf5Dataset final : public Dataset {
 public:
  Hdf5Dataset(std::shared_ptr<const LocalFile> file, FileHandle handle, Metadata metadata)
      : file_(std::move(file)), files_{file_->identity()}, metadata_(std::move(metadata)), handle_(std::move(handle)) {
    for (const StoredVariable& v : metadata_.variables) {
      variables_.push_back(v.variable);
      addresses_.push_back(std::make_unique<Addresses>());
    }
  }
  ~Hdf5Dataset() override {
    const LibraryLock lock;
    handle_ = FileHandle();
  }

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return metadata_.dimensions; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return metadata_.attributes; }
  Result<void> ReadBox(size_t index, const nd::Box& box, std::span<std::byte> into) const override;

 private:
  Error Context(const StoredVariable& v, const Error& error) const {
    return error.Wrap("reading variable '" + v.variable.name + "' of " + files_.front().path);
  }
  // Of a box within what the file holds.
  Result<void> ReadStored(size_t index, const nd::Box& box, std::span<std::byte> into) const;
  void Find(const StoredVariable& v, Addresses& at) const;
  void FindChunks(hid_t dataset, const StoredVariable& v, Addresses& at) const;
  Result<void> ReadContiguous(const StoredVariable& v, const Addresses& at, const nd::Box& box,
                              std::span<std::byte> into) const;
  Result<void> ReadChunks(const StoredVariable& v, const Addresses& at, const nd::Box& box,
                          std::span<std::byte> into) const;
  Result<void> ReadChunk(const StoredVariable& v, const Addresses& at, const nd::Index& chunk, const nd::Box& box,
                         std::span<std::byte> into) const;
  // The chunk's stored bytes in `into`; empty when it was never written.
  Result<std::span<const std::byte>> Stored(const StoredVariable& v, const Addresses& at, const nd::Index& chunk,
                                            uint32_t* mask) const;
  Result<void> ReadThroughLibrary(const StoredVariable& v, const nd::Box& box, std::span<std::byte> into) const;

  const std::shared_ptr<const LocalFile> file_;
  const std::vector<FileIdentity> files_;
  const Metadata metadata_;
  FileHandle handle_;
  std::vector<Variable> variables_;
  std::vector<std::unique_ptr<Addresses>> addresses_;
};

Result<void> Hdf5Dataset::ReadBox(size_t index, const nd::Box& box, std::span<std::byte> into) const {
  const StoredVariable& v = metadata_.variables[index];
  SEAMOUNT_TRY(CheckBox(v.variable, box, into.size(), files_.front().path));
  if (into.empty()) return {};
  const nd::Box there = nd::Intersection(box, nd::Whole(v.stored_shape));
  if (there == box) return ReadStored(index, box, into);
  nd::FillElements(v.fill, into);
  if (nd::IsEmpty(there)) return {};
  const size_t element = nd::SizeOf(v.variable.type);
  std::vector<std::byte> piece(nd::Elements(there.shape) * element);
  SEAMOUNT_TRY(ReadStored(index, there, piece));
  nd::CopyBox(there, there, piece, box, into, element);
  return {};
}

Result<void> Hdf5Dataset::ReadStored(size_t index, const nd::Box& box, std::span<std::byte> into) const {
  const StoredVariable& v = metadata_.variables[index];
  // libhdf5 converts the byte order itself.
  if (v.through_library || v.layout == Layout::kCompact) {
    if (auto read = ReadThroughLibrary(v, box, into); !read) return Context(v, read.error());
    return {};
  }
  Addresses& at = *addresses_[index];
  std::call_once(at.once, [&] { Find(v, at); });
  if (at.error) return Context(v, *at.error);
  auto read = v.layout == Layout::kContiguous ? ReadContiguous(v, at, box, into) : ReadChunks(v, at, box, into);
  if (!read) return Context(v, read.error());
  return {};
}

void Hdf5Dataset::Find(const StoredVariable& v, Addresses& at) const {
  const LibraryLock lock;
  const DatasetHandle dataset(H5Dopen2(handle_.get(), v.path.c_str(), H5P_DEFAULT));
  if (!dataset) {
    at.error = base::DataLoss(LastError());
    return;
  }
  if (v.layout == Layout::kChunked) return FindChunks(dataset.get(), v, at);
  at.contiguous = H5Dget_offset(dataset.get());
  const uint64_t bytes = nd::Elements(v.stored_shape) * nd::SizeOf(v.variable.type);
  if (at.contiguous != HADDR_UNDEF && (at.contiguous > file_->size() || bytes > file_->size() - at.contiguous)) {
    at.error = base::DataLoss("the file is truncated: its data end at byte " + std::to_string(at.contiguous + bytes) +
                              ", but the file has " + std::to_string(file_->size()) + " bytes");
  }
}

void Hdf5Dataset::FindChunks(hid_t dataset, const StoredVariable& v, Addresses& at) const {
  const nd::Index& chunk = v.variable.chunk_shape;
  uint64_t chunk_bytes = nd::SizeOf(v.variable.type);
  uint64_t count = 1;
  for (size_t d = 0; d < chunk.size(); ++d) {
    if (chunk_bytes > kMaxChunkBytes / chunk[d]) {
      at.error = base::DataLoss("its chunks are impossibly large");
      return;
    }
    chunk_bytes *= chunk[d];
    at.grid.push_back((v.stored_shape[d] + chunk[d] - 1) / chunk[d]);
    if (count <= kMaxGridCells) count *= at.grid.back();
  }
  const SpaceHandle space(H5Dget_space(dataset));
  hsize_t written = 0;
  if (H5Dget_num_chunks(dataset, space.get(), &written) < 0) {
    at.error = base::DataLoss("its chunk index cannot be read: " + LastError());
    return;
  }
  at.table = written <= kMaxTableChunks && count <= kMaxGridCells;
  if (!at.table) return;
  at.chunks.resize(count);
  std::vector<hsize_t> offset(chunk.size());
  for (hsize_t i = 0; i < written; ++i) {
    unsigned mask = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info(dataset, space.get(), i, offset.data(), &mask, &address, &size) < 0) {
      at.error = base::DataLoss("its chunk index cannot be read: " + LastError());
      return;
    }
    uint64_t number = 0;
    bool inside = true;
    for (size_t d = 0; d < chunk.size(); ++d) {
      inside = inside && offset[d] / chunk[d] < at.grid[d];
      number = number * at.grid[d] + offset[d] / chunk[d];
    }
    if (inside) at.chunks[number] = {address, size, mask};
  }
}

Result<void> Hdf5Dataset::ReadContiguous(const StoredVariable& v, const Addresses& at, const nd::Box& box,
                                         std::span<std::byte> into) const {
  const size_t element = nd::SizeOf(v.variable.type);
  if (at.contiguous == HADDR_UNDEF) {  // never written
    nd::FillElements(v.fill, into);
    return {};
  }
  const nd::Index& shape = v.stored_shape;
  nd::Index stride(shape.size());
  uint64_t step = element;
  for (size_t d = shape.size(); d-- > 0;) {
    stride[d] = step;
    step *= shape[d];
  }
  uint64_t run = element;
  size_t outer = shape.size();
  while (outer > 0) {
    --outer;
    run *= box.shape[outer];
    if (box.shape[outer] != shape[outer]) break;
  }
  uint64_t from = at.contiguous;
  for (size_t d = 0; d < shape.size(); ++d) from += box.origin[d] * stride[d];
  nd::Index position(outer, 0);
  for (uint64_t filled = 0; filled < into.size(); filled += run) {
    SEAMOUNT_TRY(file_->ReadAt(from, into.subspan(filled, run)));
    for (size_t d = outer; d-- > 0;) {
      from += stride[d];
      if (++position[d] < box.shape[d]) break;
      from -= position[d] * stride[d];
      position[d] = 0;
    }
  }
  if (v.swap_bytes) nd::SwapBytes(into, element);
  return {};
}

Result<void> Hdf5Dataset::ReadChunks(const StoredVariable& v, const Addresses& at, const nd::Box& box,
                                     std::span<std::byte> into) const {
  const nd::Index& extent = v.variable.chunk_shape;
  const size_t rank = extent.size();
  nd::Index first(rank);
  nd::Index last(rank);
  for (size_t d = 0; d < rank; ++d) {
    first[d] = box.origin[d] / extent[d];
    last[d] = (box.origin[d] + box.shape[d] - 1) / extent[d];
  }
  nd::Index chunk = first;
  for (;;) {
    SEAMOUNT_TRY(ReadChunk(v, at, chunk, box, into));
    size_t d = rank;
    while (d > 0) {
      --d;
      if (++chunk[d] <= last[d]) break;
      chunk[d] = first[d];
      if (d == 0) return {};
    }
  }
}

Result<std::span<const std::byte>> Hdf5Dataset::Stored(const StoredVariable& v, const Addresses& at,
                                                       const nd::Index& chunk, uint32_t* mask) const {
  if (at.table) {
    uint64_t number = 0;
    for (size_t d = 0; d < chunk.size(); ++d) number = number * at.grid[d] + chunk[d];
    const ChunkInfo& info = at.chunks[number];
    if (info.address == HADDR_UNDEF || info.stored_bytes == 0) return std::span<const std::byte>();
    if (info.address > file_->size() || info.stored_bytes > file_->size() - info.address) {
      return base::DataLoss("the file is truncated: a chunk ends at byte " +
                            std::to_string(info.address + info.stored_bytes) + ", but the file has " +
                            std::to_string(file_->size()) + " bytes");
    }
    const auto into = std::span(Reusable(info.stored_bytes, 0)).first(info.stored_bytes);
    SEAMOUNT_TRY(file_->ReadAt(info.address, into));
    *mask = info.mask;
    return std::span<const std::byte>(into);
  }
  std::vector<hsize_t> offset(chunk.size());
  for (size_t d = 0; d < chunk.size(); ++d) offset[d] = chunk[d] * v.variable.chunk_shape[d];
  const LibraryLock lock;
  const DatasetHandle dataset(H5Dopen2(handle_.get(), v.path.c_str(), H5P_DEFAULT));
  hsize_t bytes = 0;
  if (H5Dget_chunk_storage_size(dataset.get(), offset.data(), &bytes) < 0 || bytes == 0) {
    return std::span<const std::byte>();
  }
  if (bytes > file_->size()) return base::DataLoss("a chunk claims more bytes than the file has");
  const auto into = std::span(Reusable(bytes, 0)).first(bytes);
  if (H5Dread_chunk(dataset.get(), H5P_DEFAULT, offset.data(), mask, into.data()) < 0) {
    return base::DataLoss("a chunk cannot be read: " + LastError());
  }
  return std::span<const std::byte>(into);
}

Result<void> Hdf5Dataset::ReadChunk(const StoredVariable& v, const Addresses& at, const nd::Index& chunk,
                                    const nd::Box& box, std::span<std::byte> into) const {
  const nd::Index& extent = v.variable.chunk_shape;
  const size_t element = nd::SizeOf(v.variable.type);
  const nd::Box whole = nd::CellBox(chunk, extent);
  const nd::Box overlap = nd::Intersection(whole, box);
  if (nd::IsEmpty(overlap)) return {};
  // A box that is exactly this chunk is decoded in place.
  const bool in_place = box == whole;
  const size_t chunk_bytes = nd::Elements(extent) * element;
  const std::span<std::byte> decoded = in_place ? into : std::span(Reusable(chunk_bytes, 1)).first(chunk_bytes);
  uint32_t mask = 0;
  SEAMOUNT_TRY_ASSIGN(const std::span<const std::byte> stored, Stored(v, at, chunk, &mask));
  if (stored.empty()) {
    nd::FillElements(v.fill, decoded);
  } else {
    if (auto done = Unfilter(v.filters, mask, stored, decoded, Scratch()); !done) {
      std::string where = "chunk (";
      for (size_t d = 0; d < chunk.size(); ++d) where += (d > 0 ? ", " : "") + std::to_string(chunk[d]);
      return done.error().Wrap(where + ")");
    }
    if (v.swap_bytes) nd::SwapBytes(decoded, element);
  }
  if (in_place) return {};
  nd::CopyBox(overlap, whole, decoded, box, into, element);
  return {};
}

Result<void> Hdf5Dataset::ReadThroughLibrary(const StoredVariable& v, const nd::Box& box,
                                             std::span<std::byte> into) const {
  const LibraryLock lock;
  const DatasetHandle dataset(H5Dopen2(handle_.get(), v.path.c_str(), H5P_DEFAULT));
  const SpaceHandle space(dataset ? H5Dget_space(dataset.get()) : -1);
  if (!space) return base::DataLoss(LastError());
  const int rank = static_cast<int>(box.shape.size());
  const std::vector<hsize_t> start(box.origin.begin(), box.origin.end());
  const std::vector<hsize_t> count(box.shape.begin(), box.shape.end());
  if (rank > 0) H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  const SpaceHandle memory(rank > 0 ? H5Screate_simple(rank, count.data(), nullptr) : H5Screate(H5S_SCALAR));
  if (H5Dread(dataset.get(), NativeType(v.variable.type), memory.get(), space.get(), H5P_DEFAULT, into.data()) < 0) {
    return base::DataLoss(LastError());
  }
  return {};
}

}  // namespace

LibraryLock::LibraryLock() : lock_(LibraryMutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string LastError() {
  std::string message;
  const auto keep = [](unsigned, const H5E_error2_t* error, void* into) -> herr_t {
    if (error->desc != nullptr && *error->desc != '\0') *static_cast<std::string*>(into) = error->desc;
    return 0;
  };
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned n, const H5E_error2_t* error, void* into) -> herr_t {
        if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(into) = error->desc;
        return 0;
      },
      &message);
  if (message.empty()) H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &message);
  return message.empty() ? "unknown error of libhdf5" : message;
}

Result<std::unique_ptr<Dataset>> OpenHdf5(std::shared_ptr<const LocalFile> file) {
  const std::string& path = file->identity().path;
  std::optional<Metadata> metadata;
  FileHandle handle;
  {
    const LibraryLock lock;
    const PropertiesHandle access(H5Pcreate(H5P_FILE_ACCESS));
    H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
    FileHandle opened(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));  // closed under the lock on failure
    if (!opened)
      return base::DataLoss("reading " + path + " (" + std::to_string(file->size()) + " bytes): " + LastError());
    SEAMOUNT_TRY_ASSIGN(metadata, ReadMetadata(opened.get(), path));
    handle = std::move(opened);
  }
  return std::unique_ptr<Dataset>(
      std::make_unique<Hdf5Dataset>(std::move(file), std::move(handle), *std::move(metadata)));
}

}  // namespace seamount::source::hdf5
