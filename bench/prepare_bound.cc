// The least that converting NetCDF-4 to Zarr can be: a list of chunks in, one thread per core, each chunk read,
// inflated, unshuffled, compressed by c-blosc and written, and nothing else. What `seamount prepare` is measured
// against.
//
//   prepare_bound SOURCE CHUNKS OUT_DIR CLEVEL THREADS
//
// CHUNKS: one line "offset stored_bytes chunk_bytes" per chunk, of shuffled and deflated float32. Prints seconds.
#include <blosc.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "nd/shuffle.h"

namespace {

struct Chunk {
  uint64_t offset = 0;
  uint64_t stored = 0;
  uint64_t bytes = 0;
};

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void Work(int fd, const std::vector<Chunk>& chunks, std::atomic<size_t>& next, const std::string& out, int level) {
  libdeflate_decompressor* inflate = libdeflate_alloc_decompressor();
  std::vector<std::byte> stored;
  std::vector<std::byte> shuffled;
  std::vector<std::byte> plain;
  std::vector<std::byte> encoded;
  for (size_t i = next++; i < chunks.size(); i = next++) {
    const Chunk& chunk = chunks[i];
    stored.resize(chunk.stored);
    shuffled.resize(chunk.bytes);
    plain.resize(chunk.bytes);
    encoded.resize(chunk.bytes + BLOSC_MAX_OVERHEAD);
    if (pread(fd, stored.data(), stored.size(), static_cast<off_t>(chunk.offset)) !=
        static_cast<ssize_t>(stored.size())) {
      Fail("pread");
    }
    if (libdeflate_zlib_decompress(inflate, stored.data(), stored.size(), shuffled.data(), shuffled.size(), nullptr) !=
        LIBDEFLATE_SUCCESS) {
      Fail("inflate");
    }
    seamount::nd::Unshuffle(shuffled.data(), plain.data(), plain.size(), 4);
    const int size = blosc_compress_ctx(level, BLOSC_SHUFFLE, 4, plain.size(), plain.data(), encoded.data(),
                                        encoded.size(), "zstd", 0, 1);
    if (size <= 0) Fail("blosc");
    const int file = open((out + "/" + std::to_string(i)).c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (file < 0 || write(file, encoded.data(), static_cast<size_t>(size)) != size) Fail("write");
    close(file);
  }
  libdeflate_free_decompressor(inflate);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: prepare_bound SOURCE CHUNKS OUT_DIR CLEVEL THREADS\n");
    return 2;
  }
  std::vector<Chunk> chunks;
  std::ifstream list(argv[2]);
  for (Chunk chunk; list >> chunk.offset >> chunk.stored >> chunk.bytes;) chunks.push_back(chunk);
  const int fd = open(argv[1], O_RDONLY);
  if (fd < 0 || chunks.empty()) Fail(argv[1]);
  const auto start = std::chrono::steady_clock::now();
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < std::atoi(argv[5]); ++t) {
    threads.emplace_back([&] { Work(fd, chunks, next, argv[3], std::atoi(argv[4])); });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("%.3f\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return 0;
}
