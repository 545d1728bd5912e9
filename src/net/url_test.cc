#include "net/url.h"

#include <gtest/gtest.h>

namespace seamount::net {
namespace {

TEST(UrlTest, TakesApart) {
  const auto url = ParseUrl("HTTPS://Storage.Example.com:8443/b/x%20y?a=1&b=2");
  ASSERT_TRUE(url) << url.error().ToString();
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "storage.example.com");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/b/x%20y");
  EXPECT_EQ(url->query, "a=1&b=2");
  EXPECT_EQ(url->Origin(), "https://storage.example.com:8443");
  EXPECT_EQ(url->ToString(), "https://storage.example.com:8443/b/x%20y?a=1&b=2");
}

TEST(UrlTest, KnowsDefaultPorts) {
  EXPECT_EQ(ParseUrl("http://h")->port, 80);
  EXPECT_EQ(ParseUrl("https://h/")->port, 443);
  EXPECT_EQ(ParseUrl("https://h:443/")->Origin(), ParseUrl("https://H")->Origin());
  EXPECT_EQ(ParseUrl("http://h?q")->path, "/");
  EXPECT_EQ(ParseUrl("http://h?q")->query, "q");
}

TEST(UrlTest, TakesIpv6) {
  const auto url = ParseUrl("http://[::1]:8080/x");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->Origin(), "http://[::1]:8080");
}

TEST(UrlTest, RefusesWhatIsNotStrict) {
  for (const char* bad : {"",
                          "h",
                          "ftp://h/",
                          "http://",
                          "http:///x",
                          "http://h:0/",
                          "http://h:65536/",
                          "http://h:/",
                          "http://h:8x/",
                          "http://u:secret@h/",
                          "http://h/#f",
                          "http://h/a b",
                          "http://h/\n",
                          "http://[::1",
                          "http://[]/",
                          "http://[zz]/",
                          "http://ho st/",
                          "http://h\xc3\xa9/",
                          "//h/",
                          "http:/h"}) {
    const auto url = ParseUrl(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(url.error().message().find("secret"), std::string::npos);
  }
  EXPECT_FALSE(ParseUrl("http://h/" + std::string(20'000, 'x')));
}

TEST(UrlTest, JoinsAndParsesQueries) {
  const QueryParameters parameters = {{"prefix", "a/b c&d=é"}, {"empty", ""}, {"plus", "1+1"}};
  const auto target = ParseTarget("/p?" + JoinQuery(parameters));
  ASSERT_TRUE(target);
  EXPECT_EQ(target->query, parameters);
  EXPECT_EQ(target->Query("plus"), "1+1");
  EXPECT_EQ(target->Query("none"), std::nullopt);
}

TEST(UrlTest, TargetsKeepEncodedSlashes) {
  const auto target = ParseTarget("/storage/v1/b/x/o/a%2Fb//c%20?alt=media&flag&&q=a+b");
  ASSERT_TRUE(target);
  const std::vector<std::string> expected = {"storage", "v1", "b", "x", "o", "a/b", "", "c "};
  EXPECT_EQ(target->Segments().value(), expected);
  EXPECT_EQ(target->Query("flag"), "");
  EXPECT_EQ(target->Query("q"), "a b");
}

TEST(UrlTest, TargetsMayBeAbsolute) { EXPECT_EQ(ParseTarget("http://proxy.example/a?b=c")->path, "/a"); }

TEST(UrlTest, RefusesBadTargets) {
  for (const char* bad : {"", "x", "*", "/a b", "/x?a=%zz", "/\x01"}) EXPECT_FALSE(ParseTarget(bad)) << bad;
  EXPECT_FALSE(ParseTarget("/%4")->Segments());
}

}  // namespace
}  // namespace seamount::net
