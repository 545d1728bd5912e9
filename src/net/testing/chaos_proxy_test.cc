// The client through a network that misbehaves; and that the proxy does what its name says.
#include "net/testing/chaos_proxy.h"

#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/test_server.h"

namespace seamount::net {
namespace {

class ChaosProxyTest : public testing::Test {
 protected:
  Result<HttpResponse> Get() {
    return client_->Send({.url = "http://127.0.0.1:" + std::to_string(proxy_->port()) + "/"}, {});
  }

  const std::string body_ = std::string(500'000, 'b');
  TestServer server_{[this](ServerRequest&) { return Answer(200, body_); }};
  std::unique_ptr<ChaosProxy> proxy_ = ChaosProxy::Start(server_.port()).value();
  std::unique_ptr<HttpClient> client_ = MakeCurlHttpClient({.stall_timeout = std::chrono::milliseconds(200)});
};

TEST_F(ChaosProxyTest, WithoutFaultsPassesEverything) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get()->body.view(), body_);
  EXPECT_EQ(proxy_->accepted(), 1u);
  EXPECT_EQ(proxy_->harmed(), 0u);
}

TEST_F(ChaosProxyTest, BrokenTransfersAreUnavailable) {
  for (const Chaos& chaos :
       {Chaos{.reset_after = 100'000}, Chaos{.close_after = 100'000}, Chaos{.stall_after = 100'000},
        Chaos{.refuse = true}, Chaos{.reset_after = 0}, Chaos{.close_after = 0}}) {
    proxy_->Set(chaos);
    const auto response = Get();
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable) << response.error().message();
  }
  proxy_->Set({});
  EXPECT_EQ(Get()->body.view(), body_);
}

TEST_F(ChaosProxyTest, FaultsEndAfterTheirTimes) {
  proxy_->Set({.reset_after = 1000, .times = 2});
  EXPECT_FALSE(Get());
  EXPECT_FALSE(Get());
  EXPECT_EQ(Get()->body.view(), body_);
  EXPECT_EQ(proxy_->harmed(), 2u);
}

TEST_F(ChaosProxyTest, FlipsOneBit) {
  proxy_->Set({.flip_bit_at = 400'000});
  const auto response = Get();
  ASSERT_TRUE(response);
  int different = 0;
  for (size_t i = 0; i < body_.size(); ++i) different += response->body.view()[i] != body_[i];
  EXPECT_EQ(different, 1);
}

TEST_F(ChaosProxyTest, HoldsBytesBack) {
  proxy_->Set({.latency = std::chrono::milliseconds(30)});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Get()->body.view(), body_);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(60));
}

}  // namespace
}  // namespace seamount::net
