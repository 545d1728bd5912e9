#include "auth/request_signer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/host_binding.h"
#include "auth/token_sources.h"

namespace seamount::auth {
namespace {

using testing::HasSubstr;
using testing::Not;

// Another token for each one rejected.
class NumberedTokens final : public TokenSource {
 public:
  Result<Token> GetToken(const std::string& audience_url, const Secret& rejected, const CallContext&) override {
    audience = audience_url;
    if (rejected.Reveal() == "token-1") ++number_;
    return Token{.value = Secret("token-" + std::to_string(number_)), .expires = {}};
  }
  std::string Describe() const override { return "key of tester@winds"; }
  std::string audience;

 private:
  int number_ = 1;
};

std::string Authorization(const net::HttpRequest& request) {
  return std::string(request.headers.Get("Authorization").value_or("<none>"));
}

TEST(RequestSignerTest, ATokenGoesIntoOneHeaderAndARejectedOneIsNotUsedAgain) {
  const auto tokens = std::make_shared<NumberedTokens>();
  const auto signer = MakeBearerSigner(tokens);
  const net::HttpRequest unsigned_request{.url = "http://lab:8080/b?prefix=x"};
  net::HttpRequest request = unsigned_request;
  const auto used = signer->Sign(request, "http://lab:8080", {}, {});
  ASSERT_TRUE(used) << used.error().ToString();
  EXPECT_EQ(Authorization(request), "Bearer token-1");
  EXPECT_EQ(tokens->audience, "http://lab:8080");
  net::HttpRequest again = unsigned_request;
  ASSERT_TRUE(signer->Sign(again, "http://lab:8080", *used, {}));
  EXPECT_EQ(Authorization(again), "Bearer token-2");
  EXPECT_EQ(again.headers.entries().size(), 1u);
}

TEST(RequestSignerTest, WhatIsAnonymousStaysUnsigned) {
  net::HttpRequest request{.url = "http://lab:8080/b"};
  const auto used = MakeBearerSigner(MakeAnonymousTokenSource())->Sign(request, "http://lab:8080", {}, {});
  ASSERT_TRUE(used);
  EXPECT_TRUE(used->empty());
  EXPECT_TRUE(request.headers.entries().empty());
}

TEST(RequestSignerTest, ARequestToAnotherServerIsNotSigned) {
  const auto tokens = std::make_shared<NumberedTokens>();
  const auto signer = MakeBearerSigner(tokens);
  for (const char* url : {"http://elsewhere/b", "http://lab:80801/b", "http://lab:8080.evil/b",
                          "http://lab:8080@evil/b", "https://lab:8080/b", "http://lab/b", "lab:8080/b", ""}) {
    net::HttpRequest request{.url = url};
    const auto used = signer->Sign(request, "http://lab:8080", {}, {});
    ASSERT_FALSE(used) << url;
    EXPECT_EQ(used.error().code(), ErrorCode::kPermissionDenied) << url;
    EXPECT_THAT(used.error().ToString(), Not(HasSubstr("token-1")));
    EXPECT_TRUE(request.headers.entries().empty()) << url;
  }
  EXPECT_EQ(tokens->audience, "") << "a token was asked for";
  net::HttpRequest spelled_otherwise{.url = "HTTP://lab:8080/b"};
  EXPECT_TRUE(signer->Sign(spelled_otherwise, "http://lab:8080", {}, {}));
}

TEST(RequestSignerTest, ABoundCredentialStaysBound) {
  const auto signer = MakeBearerSigner(
      BindToHosts(MakeStaticTokenSource(Secret("s3cret")), *HostBinding::Origin("http://lab:8080/token")));
  net::HttpRequest request{.url = "http://elsewhere:8080/b"};
  const auto used = signer->Sign(request, "http://elsewhere:8080", {}, {});
  ASSERT_FALSE(used);
  EXPECT_EQ(used.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(used.error().ToString(), Not(HasSubstr("s3cret")));
  EXPECT_TRUE(request.headers.entries().empty());
}

}  // namespace
}  // namespace seamount::auth
