// An HttpClient without a network: a test says what is answered, and sees what was asked.
//
//   FakeHttpClient http;
//   http.Enqueue(503);
//   http.Enqueue(200, "{}");                          // answered in order
//   http.SetHandler([](const HttpRequest& r) { … });   // answers whatever comes when the queue is empty
//   …
//   EXPECT_EQ(http.requests()[0].method, "POST");
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_client.h"

namespace seamount::net {

// Thread-safe; the handler is called by many threads at once when many call Send.
class FakeHttpClient final : public HttpClient {
 public:
  using Handler = std::function<Result<HttpResponse>(const HttpRequest&)>;
  // A request as it was sent, its body read whole.
  struct Seen {
    std::string method;
    std::string url;
    Headers headers;
    std::string body;
  };

  void Enqueue(Result<HttpResponse> response) {
    std::scoped_lock lock(mutex_);
    queue_.push_back(std::move(response));
  }
  void Enqueue(int status, std::string_view body = {}, Headers headers = {}) {
    Enqueue(HttpResponse{.status = status, .headers = std::move(headers), .body = Bytes::Copy(body)});
  }
  void SetHandler(Handler handler) {
    std::scoped_lock lock(mutex_);
    handler_ = std::move(handler);
  }
  std::vector<Seen> requests() const {
    std::scoped_lock lock(mutex_);
    return seen_;
  }

  Result<HttpResponse> Send(const HttpRequest& request, const CallContext& context) override {
    if (context.stop.stop_requested()) return base::Cancelled("stopped");
    Seen seen{.method = request.method, .url = request.url, .headers = request.headers, .body = {}};
    if (request.body) {
      seen.body.resize(request.body->size);
      SEAMOUNT_TRY(request.body->read_at(0, std::as_writable_bytes(std::span(seen.body))));
    }
    std::unique_lock lock(mutex_);
    seen_.push_back(std::move(seen));
    if (!queue_.empty()) {
      auto response = std::move(queue_.front());
      queue_.pop_front();
      return response;
    }
    const Handler handler = handler_;
    lock.unlock();
    if (handler == nullptr) return base::Internal("the test has no answer for " + request.method + " " + request.url);
    return handler(request);
  }

 private:
  mutable std::mutex mutex_;
  std::deque<Result<HttpResponse>> queue_;
  Handler handler_;
  std::vector<Seen> seen_;
};

}  // namespace seamount::net
