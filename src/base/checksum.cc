#include "base/checksum.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace seamount::base {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // Castagnoli, bits reversed

using Table = std::array<std::array<uint32_t, 256>, 8>;

constexpr Table MakeTable() {
  Table table{};
  for (uint32_t n = 0; n < 256; ++n) {
    uint32_t crc = n;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) ? (crc >> 1) ^ kPolynomial : crc >> 1;
    table[0][n] = crc;
  }
  for (uint32_t n = 0; n < 256; ++n) {
    for (size_t k = 1; k < 8; ++k) table[k][n] = (table[k - 1][n] >> 8) ^ table[0][table[k - 1][n] & 0xFF];
  }
  return table;
}
constexpr Table kTable = MakeTable();

// Slicing by eight: for processors without the instruction.
uint32_t Portable(const uint8_t* data, size_t size, uint32_t crc) {
  while (size >= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTable[7 - k][(word >> (8 * k)) & 0xFF];
    data += 8;
    size -= 8;
  }
  while (size-- > 0) crc = (crc >> 8) ^ kTable[0][(crc ^ *data++) & 0xFF];
  return crc;
}

// A polynomial over GF(2) of degree < 32 as the CRC sees it: bit 31 is x^0.
uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 0x80000000; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = (b & 1) ? (b >> 1) ^ kPolynomial : b >> 1;
  }
  return product;
}

// x^(8 * bytes) modulo the polynomial.
uint32_t ShiftOperator(uint64_t bytes) {
  uint32_t result = 0x80000000;  // 1
  uint32_t power = 0x00800000;   // x^8
  for (; bytes != 0; bytes >>= 1) {
    if (bytes & 1) result = Multiply(result, power);
    power = Multiply(power, power);
  }
  return result;
}

#if defined(__x86_64__)
// Three independent streams hide the instruction's latency of three cycles, and are long enough that the two merges
// cost little. Four rounds of them are the 64 KiB of which most checksums are, but for 64 bytes.
constexpr size_t kStream = 5456;

__attribute__((target("sse4.2"))) uint32_t Hardware(const uint8_t* data, size_t size, uint32_t crc) {
  static const uint32_t shift = ShiftOperator(kStream);
  while (size >= 3 * kStream) {
    uint64_t a = crc;
    uint64_t b = 0;
    uint64_t c = 0;
    for (size_t i = 0; i < kStream; i += 8) {
      uint64_t x;
      uint64_t y;
      uint64_t z;
      std::memcpy(&x, data + i, 8);
      std::memcpy(&y, data + kStream + i, 8);
      std::memcpy(&z, data + 2 * kStream + i, 8);
      a = _mm_crc32_u64(a, x);
      b = _mm_crc32_u64(b, y);
      c = _mm_crc32_u64(c, z);
    }
    crc = Multiply(shift, static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b);
    crc = Multiply(shift, crc) ^ static_cast<uint32_t>(c);
    data += 3 * kStream;
    size -= 3 * kStream;
  }
  uint64_t wide = crc;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  while (size-- > 0) crc = _mm_crc32_u8(crc, *data++);
  return crc;
}
#endif

}  // namespace

uint32_t Crc32c(std::span<const std::byte> data, uint32_t before) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
#if defined(__x86_64__)
  static const bool hardware = __builtin_cpu_supports("sse4.2");
  if (hardware) return ~Hardware(bytes, data.size(), ~before);
#endif
  return ~Portable(bytes, data.size(), ~before);
}

uint32_t Crc32cCombine(uint32_t a, uint32_t b, uint64_t b_size) { return Multiply(ShiftOperator(b_size), a) ^ b; }

}  // namespace seamount::base
