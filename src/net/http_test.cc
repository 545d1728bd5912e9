// The client against the server over loopback: each is the other's test.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "net/http_client.h"
#include "net/test_server.h"

namespace seamount::net {
namespace {

std::string RandomText(size_t size) {
  std::mt19937_64 random(size);
  std::string text(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    std::memcpy(text.data() + i, &word, 8);
  }
  return text;
}

RequestBody BodyOf(const std::string& text) {
  return {.size = text.size(), .read_at = [&text](uint64_t offset, std::span<std::byte> into) -> Result<void> {
            std::memcpy(into.data(), text.data() + offset, into.size());
            return {};
          }};
}

HttpRequest Get(std::string url) { return {.method = "GET", .url = std::move(url)}; }

TEST(HttpTest, StatusesAndHeadersAreValues) {
  TestServer server([](ServerRequest& request) {
    ServerResponse response = Answer(std::stoi(request.target.substr(1)), "why");
    response.headers.Add("X-Seen", std::string(request.headers.Get("x-asked").value_or("none")));
    return response;
  });
  const auto client = MakeCurlHttpClient();
  for (const int status : {200, 201, 206, 304, 308, 400, 401, 403, 404, 412, 416, 429, 500, 503}) {
    HttpRequest request = Get(server.url("/" + std::to_string(status)));
    request.headers.Add("X-Asked", "yes");
    const auto response = client->Send(request, {});
    ASSERT_TRUE(response) << response.error().ToString();
    EXPECT_EQ(response->status, status);
    EXPECT_EQ(response->body.view(), status == 304 ? "" : "why");
    EXPECT_EQ(response->headers.Get("X-SEEN"), "yes");
  }
}

TEST(HttpTest, KeepsTheConnection) {
  std::mutex mutex;
  std::set<std::thread::id> threads;  // the server has one per connection
  TestServer server([&](ServerRequest& request) {
    std::scoped_lock lock(mutex);
    threads.insert(std::this_thread::get_id());
    return Answer(200, ReadAll(request).value());
  });
  const auto client = MakeCurlHttpClient();
  const std::string body = RandomText(100'000);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client->Send(Get(server.url()), {}));
    const auto echoed = client->Send({.method = "POST", .url = server.url(), .body = BodyOf(body)}, {});
    ASSERT_TRUE(echoed);
    EXPECT_EQ(echoed->body.view(), body);
  }
  EXPECT_EQ(threads.size(), 1u);
}

TEST(HttpTest, BigBodiesBothWays) {
  const std::string body = RandomText(24 << 20);
  TestServer server([](ServerRequest& request) {
    EXPECT_EQ(request.method, "PUT");
    return Answer(200, ReadAll(request, 300'000).value());
  });
  const auto client = MakeCurlHttpClient();
  const auto response = client->Send(
      {.method = "PUT", .url = server.url(), .body = BodyOf(body), .expected_response_bytes = body.size()}, {});
  ASSERT_TRUE(response) << response.error().ToString();
  EXPECT_TRUE(response->body.view() == body);
}

TEST(HttpTest, MethodsWithoutBodies) {
  TestServer server([](ServerRequest& request) {
    EXPECT_EQ(request.content_length, 0u);
    EXPECT_EQ(request.headers.Get("Content-Type"), std::nullopt);
    return Answer(200, request.method);
  });
  const auto client = MakeCurlHttpClient();
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    const auto response = client->Send({.method = method, .url = server.url()}, {});
    ASSERT_TRUE(response) << response.error().ToString();
    EXPECT_EQ(response->body.view(), method);
  }
}

TEST(HttpTest, HeadTellsTheLengthAndSendsNothing) {
  TestServer server([](ServerRequest&) { return Answer(200, "twelve bytes"); });
  const auto client = MakeCurlHttpClient();
  for (int i = 0; i < 3; ++i) {  // again on the same connection: nothing was left over
    const auto response = client->Send({.method = "HEAD", .url = server.url()}, {});
    ASSERT_TRUE(response);
    EXPECT_EQ(response->headers.Get("Content-Length"), "12");
    EXPECT_TRUE(response->body.empty());
  }
}

TEST(HttpTest, FilesAreSentByRange) {
  const std::string content = RandomText(5 << 20);
  const auto path = std::filesystem::temp_directory_path() / ("net_test." + std::to_string(getpid()));
  std::ofstream(path, std::ios::binary) << content;
  std::atomic<uint64_t> sent = 0;
  TestServer server([&](ServerRequest& request) {
    ServerResponse response;
    const auto offset = static_cast<uint64_t>(std::stoull(request.target.substr(1)));
    response.file = BodyOfFile(open(path.c_str(), O_RDONLY | O_CLOEXEC), offset, content.size() - offset);
    response.on_sent = [&](int, uint64_t bytes) { sent += bytes; };
    return response;
  });
  const auto client = MakeCurlHttpClient();
  for (const size_t offset : {size_t{0}, size_t{1}, content.size() - 1, content.size()}) {
    const auto response = client->Send(Get(server.url("/" + std::to_string(offset))), {});
    ASSERT_TRUE(response);
    EXPECT_TRUE(response->body.view() == std::string_view(content).substr(offset)) << offset;
  }
  server.Stop(std::chrono::seconds(5));
  EXPECT_EQ(sent, 2 * content.size());
  std::filesystem::remove(path);
}

TEST(HttpTest, ManyConnectionsAtOnce) {
  std::atomic<int> waiting = 0;
  constexpr int kThreads = 100;
  // All may stand at the door at once: on a loaded machine none is known before the last has connected.
  TestServer server(
      [&](ServerRequest&) {
        ++waiting;
        while (waiting < kThreads) std::this_thread::yield();  // answered only when all are here
        return Answer(200, "all");
      },
      {.max_strangers = kThreads});
  const auto client = MakeCurlHttpClient();
  std::atomic<int> answered = 0;
  std::vector<std::jthread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const auto response = client->Send(Get(server.url()), {});
      if (response && response->body.view() == "all") ++answered;
    });
  }
  threads.clear();
  EXPECT_EQ(answered, kThreads);
}

TEST(HttpTest, OversizedResponsesAreRefused) {
  TestServer server([](ServerRequest&) { return Answer(200, std::string(1000, 'x')); });
  const auto client = MakeCurlHttpClient();
  const auto response = client->Send({.url = server.url("/big?signature=secret"), .max_response_bytes = 999}, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kInternal);
  EXPECT_NE(response.error().message().find("GET " + server.url("/big")), std::string::npos);
  EXPECT_EQ(response.error().message().find("secret"), std::string::npos);
  EXPECT_TRUE(client->Send({.url = server.url(), .max_response_bytes = 1000}, {}));
}

TEST(HttpTest, ErrorBodiesFitEvenWhereLittleWasAskedFor) {
  TestServer server([](ServerRequest&) { return Answer(503, std::string(1000, 'x')); });
  const auto response = MakeCurlHttpClient()->Send({.url = server.url(), .max_response_bytes = 4}, {});
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body.size(), 1000u);
}

TEST(HttpTest, ErrorsNameWhatFailed) {
  const auto client = MakeCurlHttpClient({.connect_timeout = std::chrono::seconds(2)});
  uint16_t free_port = 0;
  {
    free_port = TestServer([](ServerRequest&) { return Answer(200); }).port();
  }
  const std::string url = "http://127.0.0.1:" + std::to_string(free_port) + "/x";
  const auto refused = client->Send(Get(url), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(refused.error().detail(), ErrorDetail::kNeverConnected);
  EXPECT_NE(refused.error().message().find(url), std::string::npos);
  const auto unknown = client->Send(Get("http://no-such-host.invalid/x"), {});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().detail(), ErrorDetail::kNeverConnected);
  const auto malformed = client->Send(Get("http://u:p@h/"), {});
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().code(), ErrorCode::kInvalidArgument);
  HttpRequest split = Get(url);
  split.headers.Add("X", "a\r\nB: c");
  EXPECT_EQ(client->Send(split, {}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(HttpTest, DeadlineStopAndStallEndACall) {
  std::atomic<bool> release = false;
  TestServer server([&](ServerRequest&) {
    while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Answer(200);
  });
  const auto patient = MakeCurlHttpClient();
  const auto late =
      patient->Send(Get(server.url()), {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(late.error().message().find("deadline"), std::string::npos);

  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  const auto stopped = patient->Send(Get(server.url()), {.stop = stop.get_token()});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::kCancelled);

  const auto impatient = MakeCurlHttpClient({.stall_timeout = std::chrono::milliseconds(100)});
  const auto stalled = impatient->Send(Get(server.url()), {});
  ASSERT_FALSE(stalled);
  EXPECT_EQ(stalled.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(stalled.error().detail(), ErrorDetail::kNone);
  EXPECT_NE(stalled.error().message().find("stalled"), std::string::npos);
  release = true;
  EXPECT_TRUE(patient->Send(Get(server.url()), {}));  // and the client is as good as before
}

TEST(HttpTest, AFailingBodyEndsTheCallWithItsError) {
  TestServer server([](ServerRequest& request) { return Answer(ReadAll(request) ? 200 : 400); });
  const RequestBody body{.size = 1 << 20, .read_at = [](uint64_t, std::span<std::byte>) -> Result<void> {
                           return base::DataLoss("the disk says no");
                         }};
  const auto response = MakeCurlHttpClient()->Send({.method = "POST", .url = server.url(), .body = body}, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kDataLoss);
}

TEST(HttpTest, ABodyInSeveralPartsOfFilesIsOne) {
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  std::string expected(3000, '\0');
  ASSERT_EQ(pread(fd, expected.data(), 3000, 5000), 3000);
  std::atomic<bool> damaged = false;
  TestServer server([&](ServerRequest&) {
    ServerResponse response;
    response.file = {3000, [&](uint64_t position) -> Result<ServerResponse::FilePart> {
                       if (damaged && position >= 2000) return base::DataLoss("damaged");
                       return ServerResponse::FilePart{fd, 5000 + position, 1000 - position % 1000};
                     }};
    return response;
  });
  const auto client = MakeCurlHttpClient();
  const auto whole = client->Send({.url = server.url()}, {});
  ASSERT_TRUE(whole) << whole.error().ToString();
  EXPECT_EQ(whole->body.view(), expected);
  damaged = true;
  EXPECT_FALSE(client->Send({.url = server.url()}, {}));  // cut off, not completed with something else
  close(fd);
}

TEST(HttpTest, TruncatedResponsesAreUnavailable) {
  const auto size = std::filesystem::file_size("/proc/self/exe");
  TestServer server([&](ServerRequest&) {
    ServerResponse response;
    response.file = BodyOfFile(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 0, size + 1000);
    return response;
  });
  const auto response = MakeCurlHttpClient()->Send({.url = server.url(), .max_response_bytes = 1ULL << 30}, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable);
}

TEST(HttpTest, RedirectsDropTheCredentialOnAnotherOrigin) {
  std::string seen = "nothing";
  TestServer other([&](ServerRequest& request) {
    seen = request.headers.Get("Authorization").value_or("none");
    return Answer(200, "there");
  });
  TestServer server([&](ServerRequest& request) {
    if (request.target == "/here") return Answer(200, request.headers.Get("Authorization").value_or("none"));
    ServerResponse response = Answer(307);
    response.headers.Add("Location", request.target == "/away"   ? other.url("/x")
                                     : request.target == "/loop" ? "/loop"
                                                                 : "/here");
    return response;
  });
  const auto client = MakeCurlHttpClient();
  HttpRequest request = Get(server.url("/away"));
  request.headers.Add("Authorization", "Bearer t");
  EXPECT_EQ(client->Send(request, {})->body.view(), "there");
  EXPECT_EQ(seen, "none");
  request.url = server.url("/same");
  EXPECT_EQ(client->Send(request, {})->body.view(), "Bearer t");
  request.url = server.url("/loop");
  EXPECT_EQ(client->Send(request, {}).error().code(), ErrorCode::kInternal);
  request.method = "DELETE";
  EXPECT_EQ(client->Send(request, {})->status, 307);
}

TEST(HttpTest, AResentBodyBeginsAtItsStart) {
  // The server closes the idle connection; the client's next request finds that out while sending.
  TestServer server([](ServerRequest& request) { return Answer(200, ReadAll(request).value_or("broken")); },
                    {.idle_timeout = std::chrono::milliseconds(30)});
  const auto client = MakeCurlHttpClient();
  const std::string body = RandomText(300'000);
  for (int i = 0; i < 5; ++i) {
    const auto response = client->Send({.method = "POST", .url = server.url(), .body = BodyOf(body)}, {});
    ASSERT_TRUE(response) << response.error().ToString();
    EXPECT_TRUE(response->body.view() == body);
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
  }
}

TEST(HttpTest, AnEarlyRefusalOfABigBodyIsHeard) {
  TestServer server([](ServerRequest&) { return Answer(401, "who are you"); });
  const auto client = MakeCurlHttpClient();
  const std::string body = RandomText(32 << 20);
  for (int i = 0; i < 3; ++i) {
    const auto response = client->Send({.method = "POST", .url = server.url(), .body = BodyOf(body)}, {});
    ASSERT_TRUE(response) << response.error().ToString();
    EXPECT_EQ(response->status, 401);
    EXPECT_EQ(response->body.view(), "who are you");
  }
}

}  // namespace
}  // namespace seamount::net
