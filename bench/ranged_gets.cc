// The physical bound of a cold sequential read: plain ranged GETs by N threads, bytes thrown away.
//   ranged_gets URL TOTAL_BYTES PART_BYTES THREADS   → {"seconds": …, "bytes": …}
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/http_client.h"

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s URL TOTAL_BYTES PART_BYTES THREADS\n", argv[0]);
    return 2;
  }
  const std::string url = argv[1];
  const uint64_t total = std::strtoull(argv[2], nullptr, 10);
  const uint64_t part = std::strtoull(argv[3], nullptr, 10);
  const int threads = std::atoi(argv[4]);
  const auto client = seamount::net::MakeCurlHttpClient();
  std::atomic<uint64_t> next = 0;
  std::atomic<uint64_t> received = 0;
  std::atomic<bool> failed = false;
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < threads; ++i) {
      workers.emplace_back([&] {
        for (uint64_t offset = next.fetch_add(part); offset < total && !failed; offset = next.fetch_add(part)) {
          const uint64_t end = std::min(offset + part, total);
          seamount::net::HttpRequest request{.url = url, .expected_response_bytes = end - offset};
          request.headers.Add("Range", "bytes=" + std::to_string(offset) + "-" + std::to_string(end - 1));
          const auto response = client->Send(request, {});
          if (!response || response->status / 100 != 2) {
            std::fprintf(stderr, "%s\n",
                         response ? std::to_string(response->status).c_str() : response.error().message().c_str());
            failed = true;
            return;
          }
          received += response->body.size();
        }
      });
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("{\"seconds\": %.4f, \"bytes\": %llu}\n", seconds, static_cast<unsigned long long>(received.load()));
  return failed || received != total ? 1 : 0;
}
