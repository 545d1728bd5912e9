#include "net/logged_http_client.h"

#include <chrono>

#include "base/log.h"
#include "base/text.h"

namespace seamount::net {
namespace {

class LoggedHttpClient final : public HttpClient {
 public:
  explicit LoggedHttpClient(std::unique_ptr<HttpClient> inner) : inner_(std::move(inner)) {}

  Result<HttpResponse> Send(const HttpRequest& request, const CallContext& context) override {
    if (!base::LogEnabled(base::LogLevel::kDebug)) return inner_->Send(request, context);
    const auto start = std::chrono::steady_clock::now();
    auto response = inner_->Send(request, context);
    const auto took = std::chrono::steady_clock::now() - start;
    std::string line = request.method + " " + request.url.substr(0, request.url.find('?'));
    if (response) {
      line += " " + std::to_string(response->status) + ", " + base::FormatBytes(response->body.size());
    } else {
      line += ": " + response.error().message();
    }
    if (request.body) line += ", sent " + base::FormatBytes(request.body->size);
    base::Log(base::LogLevel::kDebug, line + ", " + base::FormatDuration(took));
    return response;
  }

 private:
  const std::unique_ptr<HttpClient> inner_;
};

}  // namespace

std::unique_ptr<HttpClient> LogRequests(std::unique_ptr<HttpClient> inner) {
  return std::make_unique<LoggedHttpClient>(std::move(inner));
}

}  // namespace seamount::net
