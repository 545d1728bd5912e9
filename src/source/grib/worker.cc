#include "source/grib/worker.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <thread>

#include "source/child/child.h"
#include "source/child/wire.h"
#include "source/grib/answers.h"
#include "source/grib/library.h"
#include "source/grib/scan.h"

namespace seamount::source::grib {
namespace {

constexpr uint64_t kMaxMessageBytes = uint64_t{1} << 30;

// Unpacking is nearly all the work, so threads that ask at the same time have several to ask.
Child& Worker() {
  static std::array<Child, 4> children{Child("ecCodes", Answer), Child("ecCodes", Answer), Child("ecCodes", Answer),
                                       Child("ecCodes", Answer)};
  return children[std::hash<std::thread::id>()(std::this_thread::get_id()) % children.size()];
}

Result<std::vector<std::byte>> ReadPart(const File& file, uint64_t offset, uint64_t bytes) {
  if (bytes > kMaxMessageBytes || offset > file.size() || bytes > file.size() - offset) {
    return base::DataLoss("a message reaches beyond the end of the file");
  }
  std::vector<std::byte> part(bytes);
  SEAMOUNT_TRY(file.ReadAt(offset, part));
  return part;
}

Result<std::vector<std::byte>> Ask(RequestKind kind, const File& file, const Field& field) {
  SEAMOUNT_TRY(EcCodes());
  SEAMOUNT_TRY_ASSIGN(const auto message, ReadPart(file, field.offset, field.bytes));
  WireWriter out;
  out.Put(static_cast<uint8_t>(kind));
  out.Put(field.number_in_message);
  out.Bytes(message);
  return Worker().Call(out.Take(), file);
}

Result<std::vector<Field>> FieldsOf(const File& file, const Message& message) {
  WireWriter out;
  out.Put(static_cast<uint8_t>(RequestKind::kFields));
  out.Put(message.bytes);
  out.Put<uint64_t>(message.headers.size());
  for (const store::ByteSpan& header : message.headers) {
    SEAMOUNT_TRY_ASSIGN(const auto part, ReadPart(file, message.offset + header.begin, header.size()));
    out.Put(header.begin);
    out.Bytes(part);
  }
  SEAMOUNT_TRY_ASSIGN(const auto reply, Worker().Call(out.Take(), file));
  SEAMOUNT_TRY_ASSIGN(auto fields, ParseFields(reply));
  for (Field& field : fields) {
    field.offset = message.offset;
    field.bytes = message.bytes;
  }
  return fields;
}

std::string At(uint64_t offset) { return "the message at byte " + std::to_string(offset); }

}  // namespace

Result<Index> MakeIndex(const File& file) {
  SEAMOUNT_TRY(EcCodes());  // before a process is started that would have nothing
  Index index;
  for (uint64_t at = 0; at < file.size();) {
    SEAMOUNT_TRY_ASSIGN(const Message message, NextMessage(file, at));
    if (message.bytes == 0) break;
    auto fields = FieldsOf(file, message);
    if (!fields) return fields.error().Wrap(At(message.offset));
    for (Field& field : *fields) {
      if (FindGrid(index, field.grid) == nullptr) {
        auto reply = Ask(RequestKind::kGrid, file, field);
        if (!reply) return reply.error().Wrap(At(message.offset));
        SEAMOUNT_TRY_ASSIGN(Grid grid, ParseGrid(*reply));
        if (grid.id != field.grid) return base::Internal("ecCodes names one grid in two ways");
        index.grids.push_back(std::move(grid));
      }
      index.fields.push_back(std::move(field));
    }
    at = message.offset + message.bytes;
  }
  if (index.fields.empty()) return base::DataLoss("there is no whole GRIB message in it");
  return index;
}

Result<void> Unpack(const File& file, const Field& field, std::span<float> into) {
  auto reply = Ask(RequestKind::kValues, file, field);
  if (!reply) return reply.error().Wrap(At(field.offset));
  if (reply->size() != into.size_bytes()) {
    return base::DataLoss(At(field.offset) + " has " + std::to_string(reply->size() / sizeof(float)) +
                          " values, its grid " + std::to_string(into.size()));
  }
  std::memcpy(into.data(), reply->data(), reply->size());
  return {};
}

}  // namespace seamount::source::grib
