#include "source/hdf5/worker.h"

#include <algorithm>

#include "source/child/wire.h"
#include "source/hdf5/answers.h"

namespace seamount::source::hdf5 {
namespace {

WireWriter Request(RequestKind kind, const File& from) {
  const FileIdentity& file = from.identity();
  WireWriter out;
  out.Put(static_cast<uint8_t>(kind));
  out.Text(file.path);
  out.Put(file.size_bytes);
  out.Put(file.modified_ns);
  out.Text(file.generation);
  out.Put<uint8_t>(file.local);
  return out;
}

}  // namespace

Worker& Worker::Shared() {
  static Worker worker;
  return worker;
}

Worker::Worker() : child_("libhdf5", Answer) {}

Result<Description> Worker::Describe(const File& file) {
  SEAMOUNT_TRY_ASSIGN(const auto reply, child_.Call(Request(RequestKind::kDescribe, file).Take(), file));
  return ParseDescription(reply);
}

Result<std::vector<ChunkAddress>> Worker::Locate(const File& file, const StoredVariable& variable, uint64_t first,
                                                 uint64_t count) {
  WireWriter out = Request(RequestKind::kLocate, file);
  out.Text(variable.path);
  out.Numbers(variable.variable.chunk_shape);
  out.Numbers(nd::GridShape(variable.stored_shape, variable.variable.chunk_shape));
  out.Put(first);
  out.Put(count);
  SEAMOUNT_TRY_ASSIGN(const auto reply, child_.Call(out.Take(), file));
  SEAMOUNT_TRY_ASSIGN(auto chunks, ParseChunkAddresses(reply));
  if (chunks.size() != count) return base::DataLoss("its chunk index is incomplete");
  return chunks;
}

Result<void> Worker::Read(const File& file, const StoredVariable& variable, const nd::Box& box,
                          std::span<std::byte> into) {
  WireWriter out = Request(RequestKind::kRead, file);
  out.Text(variable.path);
  out.Put(static_cast<uint8_t>(variable.variable.type));
  out.Numbers(box.origin);
  out.Numbers(box.shape);
  SEAMOUNT_TRY_ASSIGN(const auto reply, child_.Call(out.Take(), file));
  if (reply.size() != into.size()) return base::DataLoss("it gave another size than its shape says");
  std::copy(reply.begin(), reply.end(), into.begin());
  return {};
}

}  // namespace seamount::source::hdf5
