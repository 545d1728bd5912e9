#include "source/hdf5/hdf5_dataset.h"

#include <algorithm>
#include <cstring>

#include "nd/byte_order.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "source/hdf5/chunk_table.h"
#include "source/hdf5/filters.h"
#include "source/hdf5/worker.h"
#include "source/runs.h"

namespace seamount::source::hdf5 {
namespace {

constexpr size_t kExpectedChunks = 32;  // that are asked for while as many are read

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
  Hdf5Dataset(std::shared_ptr<const File> file, Description description)
      : file_(std::move(file)), files_{file_->identity()}, description_(std::move(description)) {
    for (const StoredVariable& v : description_.variables) variables_.push_back(v.variable);
  }

  const std::vector<FileIdentity>& files() const override { return files_; }
  const std::vector<Dimension>& dimensions() const override { return description_.dimensions; }
  const std::vector<Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return description_.attributes; }
  Result<void> ReadBox(size_t index, const nd::Box& box, std::span<std::byte> into) const override;

 private:
  // Of a box within what the file holds.
  Result<void> ReadStored(size_t index, const nd::Box& box, std::span<std::byte> into) const;
  Result<void> ReadContiguous(const StoredVariable& v, const nd::Box& box, std::span<std::byte> into) const;
  Result<void> ReadChunk(size_t index, const nd::Index& chunk, const nd::Box& box, std::span<std::byte> into) const;
  // Tells the file what the next chunks need.
  Result<void> ExpectChunks(size_t index, std::span<const nd::Index> chunks) const;
  // The chunk's stored bytes; empty when it was never written.
  Result<std::span<const std::byte>> Stored(size_t index, const nd::Index& chunk, uint32_t* mask) const;
  Error Truncated(const char* what, uint64_t end) const {
    return base::DataLoss(std::string("the file is truncated: ") + what + " at byte " + std::to_string(end) +
                          ", but the file has " + std::to_string(file_->size()) + " bytes");
  }

  const std::shared_ptr<const File> file_;
  const std::vector<FileIdentity> files_;
  const Description description_;
  std::vector<Variable> variables_;
  const ChunkTables tables_{file_};
};

Result<void> Hdf5Dataset::ReadBox(size_t index, const nd::Box& box, std::span<std::byte> into) const {
  const StoredVariable& v = description_.variables[index];
  SEAMOUNT_TRY(CheckBox(v.variable, box, into.size(), files_.front().path));
  if (into.empty()) return {};
  const nd::Box there = nd::Intersection(box, nd::Whole(v.stored_shape));
  const auto read = [&](std::span<std::byte> out) -> Result<void> {
    if (auto done = ReadStored(index, there, out); !done) {
      return done.error().Wrap("reading variable '" + v.variable.name + "' of " + files_.front().path);
    }
    return {};
  };
  if (there == box) return read(into);
  nd::FillElements(v.fill, into);
  if (nd::IsEmpty(there)) return {};
  const size_t element = nd::SizeOf(v.variable.type);
  std::vector<std::byte> piece(nd::Elements(there.shape) * element);
  SEAMOUNT_TRY(read(piece));
  nd::CopyBox(there, there, piece, box, into, element);
  return {};
}

Result<void> Hdf5Dataset::ReadStored(size_t index, const nd::Box& box, std::span<std::byte> into) const {
  const StoredVariable& v = description_.variables[index];
  if (v.through_library) return Worker::Shared().Read(*file_, v, box, into);
  if (v.layout == Layout::kContiguous) return ReadContiguous(v, box, into);
  if (v.layout == Layout::kCompact) {
    const nd::Box whole = nd::Whole(v.stored_shape);
    if (nd::Elements(whole.shape) * nd::SizeOf(v.variable.type) != v.compact.size()) {
      return base::DataLoss("its data are of another size than its shape says");
    }
    nd::CopyBox(box, whole, v.compact, box, into, nd::SizeOf(v.variable.type));
    return {};
  }
  const std::vector<nd::Index> chunks = nd::IndicesOf(nd::CellsTouched(box, v.variable.chunk_shape));
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (i % kExpectedChunks == 0) SEAMOUNT_TRY(ExpectChunks(index, std::span(chunks).subspan(i)));
    SEAMOUNT_TRY(ReadChunk(index, chunks[i], box, into));
  }
  return {};
}

Result<void> Hdf5Dataset::ExpectChunks(size_t index, std::span<const nd::Index> chunks) const {
  if (file_->identity().local) return {};
  std::vector<store::ByteSpan> parts;
  for (const nd::Index& chunk : chunks.first(std::min(chunks.size(), 2 * kExpectedChunks))) {
    SEAMOUNT_TRY_ASSIGN(const ChunkAddress at, tables_.Find(description_.variables[index], index, chunk));
    if (at.address == kNowhere || at.address > file_->size()) continue;
    parts.push_back({at.address, at.address + std::min(at.stored_bytes, file_->size() - at.address)});
  }
  file_->Expect(parts);
  return {};
}

Result<void> Hdf5Dataset::ReadContiguous(const StoredVariable& v, const nd::Box& box, std::span<std::byte> into) const {
  const size_t element = nd::SizeOf(v.variable.type);
  if (v.address == kNowhere) {
    nd::FillElements(v.fill, into);
    return {};
  }
  const nd::Index& shape = v.stored_shape;
  const uint64_t bytes = nd::Elements(shape) * element;
  if (v.address > file_->size() || bytes > file_->size() - v.address) {
    return Truncated("its data end", v.address + bytes);
  }
  SEAMOUNT_TRY(ReadRuns(*file_, {v.address, shape, nd::DenseStrides(shape, element), element}, box, into));
  if (v.swap_bytes) nd::SwapBytes(into, element);
  return {};
}

Result<std::span<const std::byte>> Hdf5Dataset::Stored(size_t index, const nd::Index& chunk, uint32_t* mask) const {
  SEAMOUNT_TRY_ASSIGN(const ChunkAddress at, tables_.Find(description_.variables[index], index, chunk));
  if (at.address == kNowhere || at.stored_bytes == 0) return std::span<const std::byte>();
  if (at.address > file_->size() || at.stored_bytes > file_->size() - at.address) {
    return Truncated("a chunk ends", at.address + at.stored_bytes);
  }
  const auto into = std::span(Reusable(at.stored_bytes, 0)).first(at.stored_bytes);
  SEAMOUNT_TRY(file_->ReadAt(at.address, into));
  *mask = static_cast<uint32_t>(at.mask);
  return std::span<const std::byte>(into);
}

Result<void> Hdf5Dataset::ReadChunk(size_t index, const nd::Index& chunk, const nd::Box& box,
                                    std::span<std::byte> into) const {
  constexpr uint32_t kNoFilters = ~uint32_t{0};
  constexpr uint64_t kMaxChunkBytes = uint64_t{4} << 30;  // HDF5's own limit
  const StoredVariable& v = description_.variables[index];
  const nd::Index& extent = v.variable.chunk_shape;
  const size_t element = nd::SizeOf(v.variable.type);
  const nd::Box whole = nd::CellBox(chunk, extent);
  const nd::Box overlap = nd::Intersection(whole, box);
  if (nd::IsEmpty(overlap)) return {};
  const size_t chunk_bytes = nd::Elements(extent) * element;
  if (chunk_bytes > kMaxChunkBytes) return base::DataLoss("its chunks are impossibly large");
  // A box that is exactly this chunk is decoded in place.
  const bool in_place = box == whole;
  const std::span<std::byte> decoded = in_place ? into : std::span(Reusable(chunk_bytes, 1)).first(chunk_bytes);
  uint32_t mask = 0;
  SEAMOUNT_TRY_ASSIGN(const std::span<const std::byte> stored, Stored(index, chunk, &mask));
  if (stored.empty()) {
    nd::FillElements(v.fill, decoded);
  } else {
    const bool at_edge = nd::Intersection(whole, nd::Whole(v.stored_shape)) != whole;
    if (v.plain_edges && at_edge) mask = kNoFilters;
    if (auto done = Unfilter(v.filters, mask, stored, decoded, Scratch()); !done) {
      std::string where = "chunk (";
      for (size_t d = 0; d < chunk.size(); ++d) where += (d > 0 ? ", " : "") + std::to_string(chunk[d]);
      return done.error().Wrap(where + ")");
    }
    if (v.swap_bytes) nd::SwapBytes(decoded, element);
  }
  if (!in_place) nd::CopyBox(overlap, whole, decoded, box, into, element);
  return {};
}

}  // namespace

Result<std::unique_ptr<Dataset>> OpenHdf5(std::shared_ptr<const File> file) {
  auto description = Worker::Shared().Describe(*file);
  if (!description) {
    return description.error().Wrap("reading " + file->identity().path + " (" + std::to_string(file->size()) +
                                    " bytes)");
  }
  return std::unique_ptr<Dataset>(std::make_unique<Hdf5Dataset>(std::move(file), *std::move(description)));
}

}  // namespace seamount::source::hdf5
