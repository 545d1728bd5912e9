#include "source/hdf5/szip.h"

#include <string>

extern "C" {  // which the header leaves to us
#include <szlib.h>
}

namespace seamount::source::hdf5 {
namespace {

// Where HDF5 keeps what.
enum Parameter : size_t { kOptions, kBlockPixels, kPixelBits, kLinePixels, kParameters };
constexpr size_t kSizeBytes = 4;  // of the decoded bytes, little endian, before the stream

// As the library's documentation has them; what else it would make of others is not tried.
bool CanBe(std::span<const uint32_t> parameters) {
  if (parameters.size() < kParameters) return false;
  const uint32_t block = parameters[kBlockPixels];
  const uint32_t bits = parameters[kPixelBits];
  const uint32_t line = parameters[kLinePixels];
  constexpr uint32_t kMostBlocks = 128;  // in a line
  return block >= 2 && block <= 32 && block % 2 == 0 && ((bits >= 1 && bits <= 32) || bits == 64) && line >= 1 &&
         line <= block * kMostBlocks;
}

}  // namespace

Result<size_t> UndoSzip(std::span<const uint32_t> parameters, std::span<const std::byte> from,
                        std::span<std::byte> into) {
  if (!CanBe(parameters)) return base::DataLoss("its szip parameters are off");
  if (from.size() < kSizeBytes) return base::DataLoss("it is too short for szip");
  size_t size = 0;
  for (size_t i = kSizeBytes; i-- > 0;) size = size << 8 | std::to_integer<size_t>(from[i]);
  if (size > into.size()) {
    return base::DataLoss("its szip says it holds " + std::to_string(size) + " bytes (at most " +
                          std::to_string(into.size()) + " expected)");
  }
  SZ_com_t settings{.options_mask = static_cast<int>(parameters[kOptions]),
                    .bits_per_pixel = static_cast<int>(parameters[kPixelBits]),
                    .pixels_per_block = static_cast<int>(parameters[kBlockPixels]),
                    .pixels_per_scanline = static_cast<int>(parameters[kLinePixels])};
  size_t made = size;
  const auto stream = from.subspan(kSizeBytes);
  const int result = SZ_BufftoBuffDecompress(into.data(), &made, stream.data(), stream.size(), &settings);
  if (result == SZ_MEM_ERROR) return base::ResourceExhausted("no memory for an szip decoder");
  if (result != SZ_OK || made != size) return base::DataLoss("its szip stream is damaged");
  return size;
}

}  // namespace seamount::source::hdf5
