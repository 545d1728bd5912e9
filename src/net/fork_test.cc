// A child that is forked while other threads of its parent are fetching.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "net/http_client.h"
#include "net/test_server.h"

namespace seamount::net {
namespace {

// Not under AddressSanitizer: g++ 12's does not take its allocator's locks at a fork, so that a child of a threaded
// program may hang in malloc, whatever the program does.
#ifndef __SANITIZE_ADDRESS__
// Forks again and again while other threads call work; what a child's own call comes to is its exit status.
void ForkWhile(int times, const std::function<bool()>& work) {
  std::atomic<bool> done = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!done) EXPECT_TRUE(work());
    });
  }
  int status = 0;
  for (int i = 0; i < times && status == 0; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(30);  // ends a child that hangs
      _exit(work() ? 0 : 1);
    }
    ASSERT_EQ(waitpid(child, &status, 0), child);
  }
  done = true;
  EXPECT_EQ(status, 0) << "the child hung or failed";
}

TEST(ForkTest, AChildFetchesWhateverItsParentsThreadsWereDoing) {
  TestServer server([](ServerRequest&) { return Answer(200, "x"); });
  // No connection is kept: the threads make new ones all the time, and do so holding the client's lock.
  const auto client = MakeCurlHttpClient({.max_idle_connections = 0});
  ForkWhile(40, [&] { return client->Send({.url = server.url()}, {}).has_value(); });
}

// Nothing but connections that are made and given up: a child finds none of libcurl's locks taken.
TEST(ForkTest, AChildMakesConnectionsWhateverItsParentsThreadsWereMaking) {
  const auto client = MakeCurlHttpClient({.max_idle_connections = 0});
  const CallContext too_late{.deadline = std::chrono::steady_clock::now()};
  ForkWhile(400, [&] { return !client->Send({.url = "http://127.0.0.1:1/"}, too_late); });
}
#endif

}  // namespace
}  // namespace seamount::net
