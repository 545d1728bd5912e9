// The least that loading can be: the same chunks from the same server, each fetched once by libcurl, decoded once by
// c-blosc and copied with the same arithmetic to every place in a batch that needs it, on all cores, and nothing else.
// What the loader is measured against; none of Seamount's own code is in it.
//
//   loader_bound CONNECTIONS WORKERS < PLAN      → one line of JSON
//
// PLAN, words between white space: floats in a field, batches held at once, floats in a batch, bytes of a decoded
// chunk, mean, 1/std, number of chunks; then for each chunk, in the order of first use: its URL, first byte, number of
// bytes (0: the whole object), number of copies, and for each copy the field within the chunk, the batch, and the first
// float within the batch. It is looser than a loader may be: batches need not become complete in order, and nobody
// waits for them.
#include <blosc.h>
#include <curl/curl.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace {

struct Copy {
  size_t field = 0;
  size_t batch = 0;
  size_t offset = 0;
};

struct Chunk {
  std::string url;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::vector<Copy> copies;
};

struct Plan {
  size_t field = 0;
  size_t batches = 0;
  size_t batch = 0;
  size_t chunk_bytes = 0;
  float mean = 0;
  float factor = 1;
  std::vector<Chunk> chunks;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "loader_bound: %s\n", what.c_str());
  std::_Exit(1);
}

Plan ReadPlan(std::istream& in) {
  Plan plan;
  size_t chunks = 0;
  in >> plan.field >> plan.batches >> plan.batch >> plan.chunk_bytes >> plan.mean >> plan.factor >> chunks;
  plan.chunks.resize(chunks);
  for (Chunk& chunk : plan.chunks) {
    size_t copies = 0;
    in >> chunk.url >> chunk.offset >> chunk.bytes >> copies;
    chunk.copies.resize(copies);
    for (Copy& copy : chunk.copies) in >> copy.field >> copy.batch >> copy.offset;
  }
  if (!in) Fail("the plan on standard input is malformed");
  return plan;
}

using Body = std::vector<char>;
struct Fetched {
  size_t chunk = 0;
  std::unique_ptr<Body> body;
};

// From the fetching threads to the workers, in bodies that go round.
class Queue {
 public:
  void Push(Fetched fetched) {
    {
      const std::scoped_lock lock(mutex_);
      full_.push_back(std::move(fetched));
    }
    wake_.notify_one();
  }
  // False when all have been taken.
  bool Pop(size_t all, Fetched& into) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return !full_.empty() || taken_ == all; });
    if (full_.empty()) return false;
    into = std::move(full_.front());
    full_.pop_front();
    if (++taken_ == all) wake_.notify_all();
    return true;
  }
  std::unique_ptr<Body> TakeBody() {
    const std::scoped_lock lock(mutex_);
    if (empty_.empty()) return std::make_unique<Body>();
    auto body = std::move(empty_.back());
    empty_.pop_back();
    return body;
  }
  void GiveBody(std::unique_ptr<Body> body) {
    const std::scoped_lock lock(mutex_);
    empty_.push_back(std::move(body));
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Fetched> full_;
  std::vector<std::unique_ptr<Body>> empty_;
  size_t taken_ = 0;
};

size_t Append(char* data, size_t, size_t size, void* into) {
  auto& body = *static_cast<Body*>(into);
  body.insert(body.end(), data, data + size);
  return size;
}

void Fetch(const Plan& plan, std::atomic<size_t>& next, Queue& queue, std::atomic<uint64_t>& received) {
  constexpr long kReceiveBytes = 128L << 10;
  CURL* curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kReceiveBytes);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Append);
  for (size_t i = next++; i < plan.chunks.size(); i = next++) {
    const Chunk& chunk = plan.chunks[i];
    auto body = queue.TakeBody();
    body->clear();
    curl_easy_setopt(curl, CURLOPT_URL, chunk.url.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body.get());
    const std::string range = std::to_string(chunk.offset) + "-" + std::to_string(chunk.offset + chunk.bytes - 1);
    curl_easy_setopt(curl, CURLOPT_RANGE, chunk.bytes == 0 ? nullptr : range.c_str());
    const CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status / 100 != 2) Fail(chunk.url + ": " + curl_easy_strerror(code));
    received += body->size();
    queue.Push({i, std::move(body)});
  }
  curl_easy_cleanup(curl);
}

// Past the caches, as no cache holds a batch anyway: three times as fast.
void Standardise(const float* from, float* into, size_t count, float mean, float factor) {
  size_t i = 0;
#ifdef __SSE2__
  const __m128 means = _mm_set1_ps(mean);
  const __m128 factors = _mm_set1_ps(factor);
  if (reinterpret_cast<uintptr_t>(into) % sizeof(__m128) == 0) {
    for (; i + 4 <= count; i += 4) {
      _mm_stream_ps(into + i, _mm_mul_ps(_mm_sub_ps(_mm_loadu_ps(from + i), means), factors));
    }
  }
#endif
  for (; i < count; ++i) into[i] = (from[i] - mean) * factor;
}

// Returns the sum of every 45th row's every 60th number, as the race takes it of every contestant's batches.
double Scatter(const Plan& plan, const Chunk& chunk, const float* decoded, std::vector<std::vector<float>>& batches) {
  constexpr size_t kRow = 360;
  double sum = 0;
  for (const Copy& copy : chunk.copies) {
    const float* from = decoded + copy.field * plan.field;
    float* into = batches[copy.batch % plan.batches].data() + copy.offset;
    Standardise(from, into, plan.field, plan.mean, plan.factor);
    for (size_t row = 0; row < plan.field; row += 45 * kRow) {
      for (size_t column = 0; column < kRow; column += 60) sum += (from[row + column] - plan.mean) * plan.factor;
    }
  }
  return sum;
}

void Work(const Plan& plan, Queue& queue, std::vector<std::vector<float>>& batches, std::atomic<double>& checksum) {
  std::vector<float> decoded(plan.chunk_bytes / sizeof(float));
  constexpr int kThreads = 1;
  double sum = 0;
  for (Fetched fetched; queue.Pop(plan.chunks.size(), fetched);) {
    size_t bytes = 0;
    size_t stored = 0;
    size_t block = 0;
    blosc_cbuffer_sizes(fetched.body->data(), &bytes, &stored, &block);
    if (stored != fetched.body->size() || bytes != plan.chunk_bytes ||
        blosc_decompress_ctx(fetched.body->data(), decoded.data(), bytes, kThreads) != static_cast<int>(bytes)) {
      Fail(plan.chunks[fetched.chunk].url + ": not a chunk of the expected size");
    }
    sum += Scatter(plan, plan.chunks[fetched.chunk], decoded.data(), batches);
    queue.GiveBody(std::move(fetched.body));
  }
  checksum.fetch_add(sum);
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) Fail("CONNECTIONS and WORKERS expected");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const Plan plan = ReadPlan(std::cin);
  const double cpu_before = CpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::vector<float>> batches(plan.batches, std::vector<float>(plan.batch));
  std::atomic<size_t> next = 0;
  std::atomic<uint64_t> received = 0;
  std::atomic<double> checksum = 0;
  Queue queue;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < std::atoi(argv[1]); ++i) threads.emplace_back([&] { Fetch(plan, next, queue, received); });
    for (int i = 0; i < std::atoi(argv[2]); ++i) threads.emplace_back([&] { Work(plan, queue, batches, checksum); });
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("{\"seconds\": %.4f, \"cpu_seconds\": %.4f, \"bytes\": %llu, \"checksum\": %.6f}\n", seconds,
              CpuSeconds() - cpu_before, static_cast<unsigned long long>(received.load()), checksum.load());
  return 0;
}
