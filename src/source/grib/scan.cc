#include "source/grib/scan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

namespace seamount::source::grib {
namespace {

constexpr uint64_t kWindow = 64 << 10;
constexpr size_t kMostSections = 100'000;  // of one message: each costs a read at least

uint64_t BigEndian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | static_cast<uint64_t>(byte);
  return value;
}

class Scanner {
 public:
  Scanner(const store::ByteSource& file, uint64_t at) : file_(file), begin_(at) {}

  Result<Message> Scan() {
    SEAMOUNT_TRY_ASSIGN(const bool found, FindBegin());
    if (!found) return Message{file_.size(), 0, {}};
    SEAMOUNT_TRY_ASSIGN(const uint64_t edition, Number(7, 1));
    if (edition == 1) {
      SEAMOUNT_TRY(ScanEdition1());
    } else if (edition == 2) {
      SEAMOUNT_TRY(ScanEdition2());
    } else {
      return base::InvalidArgument("the GRIB message at byte " + std::to_string(begin_) + " is of edition " +
                                   std::to_string(edition) + ", expected 1 or 2");
    }
    SEAMOUNT_TRY_ASSIGN(const uint64_t end, Number(message_.bytes - 4, 4));
    if (end != 0x37373737) return Damaged("does not end where its length says");
    message_.offset = begin_;
    return std::move(message_);
  }

 private:
  Error Damaged(const std::string& what) const {
    return base::DataLoss("the GRIB message at byte " + std::to_string(begin_) + " of " + std::to_string(file_.size()) +
                          " " + what + ": the file is damaged or cut short");
  }

  // `begin_` becomes where "GRIB" stands.
  Result<bool> FindBegin() {
    constexpr std::string_view kBegin = "GRIB";
    std::vector<std::byte> window;
    for (uint64_t at = begin_; at + kBegin.size() <= file_.size();) {
      // At once where the last message ended, and then in large steps.
      window.resize(std::min(at == begin_ ? kBegin.size() : kWindow, file_.size() - at));
      SEAMOUNT_TRY(file_.ReadAt(at, window));
      const std::string_view text(reinterpret_cast<const char*>(window.data()), window.size());
      if (const size_t found = text.find(kBegin); found != std::string_view::npos) {
        begin_ = at + found;
        return true;
      }
      at += window.size() - (kBegin.size() - 1);
    }
    return false;
  }

  Result<uint64_t> Number(uint64_t at, size_t size) {
    std::array<std::byte, 8> bytes{};
    if (at > file_.size() - begin_ || size > file_.size() - begin_ - at) return Damaged("is not whole");
    const auto into = std::span(bytes).first(size);
    SEAMOUNT_TRY(file_.ReadAt(begin_ + at, into));
    return BigEndian(into);
  }

  // How long it claims to be, checked against the file.
  Result<void> SetBytes(uint64_t bytes) {
    if (bytes < 16 || bytes > file_.size() - begin_) return Damaged("is not whole");
    message_.bytes = bytes;
    return {};
  }

  // Of a section, what is not its packed content; where the next one begins.
  Result<uint64_t> Section(uint64_t at, uint64_t bytes, uint64_t least, std::optional<uint64_t> header_bytes) {
    if (bytes < least || bytes > message_.bytes - 4 - at) return Damaged("has a section that does not fit into it");
    const uint64_t kept = std::min(bytes, header_bytes.value_or(bytes));
    if (!message_.headers.empty() && message_.headers.back().end == at) {
      message_.headers.back().end = at + kept;
    } else {
      message_.headers.push_back({at, at + kept});
    }
    return at + bytes;
  }

  Result<void> ScanEdition2() {
    SEAMOUNT_TRY_ASSIGN(const uint64_t bytes, Number(8, 8));
    SEAMOUNT_TRY(SetBytes(bytes));
    message_.headers.push_back({0, 16});
    constexpr uint64_t kBitmapHeader = 6;
    constexpr uint64_t kDataHeader = 5;
    for (uint64_t at = 16; at + 4 < message_.bytes;) {
      if (at + 5 > message_.bytes - 4) return Damaged("has a section that does not fit into it");
      SEAMOUNT_TRY_ASSIGN(const uint64_t size, Number(at, 4));
      SEAMOUNT_TRY_ASSIGN(const uint64_t number, Number(at + 4, 1));
      if (message_.headers.size() > kMostSections) return Damaged("has too many sections");
      std::optional<uint64_t> kept;
      if (number == 6) kept = kBitmapHeader;
      if (number == 7) kept = kDataHeader;
      SEAMOUNT_TRY_ASSIGN(at, Section(at, size, 5, kept));
    }
    return {};
  }

  Result<void> ScanEdition1() {
    constexpr uint64_t kLarge = 0x800000;  // in units of 120 bytes, as ECMWF writes what three bytes do not hold
    SEAMOUNT_TRY_ASSIGN(uint64_t bytes, Number(4, 3));
    SEAMOUNT_TRY(SetBytes(bytes >= kLarge ? file_.size() - begin_ : bytes));
    message_.headers.push_back({0, 8});
    SEAMOUNT_TRY_ASSIGN(const uint64_t product, Number(8, 3));
    SEAMOUNT_TRY_ASSIGN(const uint64_t flags, Number(15, 1));
    SEAMOUNT_TRY_ASSIGN(uint64_t at, Section(8, product, 28, std::nullopt));
    if ((flags & 0x80) != 0) {
      SEAMOUNT_TRY_ASSIGN(const uint64_t grid, Number(at, 3));
      SEAMOUNT_TRY_ASSIGN(at, Section(at, grid, 32, std::nullopt));
    }
    if ((flags & 0x40) != 0) {
      SEAMOUNT_TRY_ASSIGN(const uint64_t bitmap, Number(at, 3));
      SEAMOUNT_TRY_ASSIGN(at, Section(at, bitmap, 6, 6));
    }
    SEAMOUNT_TRY_ASSIGN(uint64_t data, Number(at, 3));
    if (bytes >= kLarge && data < 120) {
      bytes = (bytes - kLarge) * 120;
      if (bytes < at + data + 4) return Damaged("has a length that makes no sense");
      bytes = bytes - data + 4;
      SEAMOUNT_TRY(SetBytes(bytes));
      if (bytes < at + 4 + 11) return Damaged("has a length that makes no sense");
      data = bytes - 4 - at;
    } else {
      SEAMOUNT_TRY(SetBytes(bytes));
    }
    constexpr uint64_t kDataHeader = 16;
    SEAMOUNT_TRY_ASSIGN(at, Section(at, data, 11, kDataHeader));
    return {};
  }

  const store::ByteSource& file_;
  uint64_t begin_;
  Message message_;
};

}  // namespace

Result<Message> NextMessage(const store::ByteSource& file, uint64_t at) { return Scanner(file, at).Scan(); }

}  // namespace seamount::source::grib
