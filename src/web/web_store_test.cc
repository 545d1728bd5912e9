#include "web/web_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "net/test_server.h"

namespace seamount::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A web server with one file, "/data/a b.nc?sig=1", as well or as badly mannered as the test wants it.
class WebStoreTest : public ::testing::Test {
 protected:
  net::ServerResponse Answer(const net::ServerRequest& request) {
    const std::scoped_lock lock(mutex_);
    last_ = request.method + " " + request.target;
    if (status_ != 0) return net::Answer(status_);
    if (request.target != "/data/a%20b.nc?sig=1") return net::Answer(404);
    if (!tag_.empty() && request.headers.Get("If-Match").value_or(tag_) != tag_) return net::Answer(412);
    net::ServerResponse response;
    if (!tag_.empty()) response.headers.Add("ETag", tag_);
    response.headers.Add("Last-Modified", changed_);
    const std::string range(request.headers.Get("Range").value_or(""));
    if (range.empty() || !ranges_) {
      response.body = Bytes::Copy(content_);
      return response;
    }
    const size_t dash = range.find('-');
    const std::string from = range.substr(6, dash - 6);
    const std::string to = range.substr(dash + 1);
    const size_t begin = from.empty() ? content_.size() - std::stoul(to) : std::stoul(from);
    if (begin >= content_.size()) return net::Answer(416);
    const size_t end =
        from.empty() || to.empty() ? content_.size() : std::min<size_t>(std::stoul(to) + 1, content_.size());
    response.status = 206;
    response.headers.Add("Content-Range", "bytes " + std::to_string(begin) + "-" + std::to_string(end - 1) + "/" +
                                              std::to_string(content_.size()));
    response.body = Bytes::Copy(std::string_view(content_).substr(begin, end - begin));
    return response;
  }

  std::shared_ptr<Store> Open() {
    auto store = MakeWebStore(server_.url("/data/?sig=1"), net::MakeCurlHttpClient());
    EXPECT_TRUE(store) << store.error().ToString();
    return *store;
  }
  static std::string Read(Store& store, const store::ByteRange& range) {
    const auto read = store.Read("a b.nc", {.range = range, .if_generation = std::nullopt}, {});
    return !read ? read.error().ToString() : !*read ? "absent" : std::string((*read)->data.view());
  }

  std::mutex mutex_;
  std::string content_ = "0123456789";
  std::string tag_ = "\"one\"";
  std::string changed_ = "Sat, 28 Nov 2026 01:00:00 GMT";
  bool ranges_ = true;
  int status_ = 0;  // what everything is answered, if not 0
  std::string last_;
  net::TestServer server_{[this](net::ServerRequest& request) { return Answer(request); }};
};

TEST_F(WebStoreTest, RangesAndSizes) {
  const auto store = Open();
  EXPECT_EQ(Read(*store, {.offset = 2, .length = 3}), "234");
  EXPECT_EQ(Read(*store, {.offset = 8, .length = 30}), "89");
  EXPECT_EQ(Read(*store, {.offset = 7}), "789");
  EXPECT_EQ(Read(*store, store::ByteRange::Last(4)), "6789");
  EXPECT_EQ(Read(*store, {.offset = 10, .length = 5}), "") << "at the end";
  EXPECT_EQ(Read(*store, {.offset = 3, .length = 0}), "");
  const auto whole = store->Read("a b.nc", {}, {});
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->data.view(), content_);
  const auto info = store->Stat("a b.nc", {});
  ASSERT_TRUE(info && *info) << info.error().ToString();
  EXPECT_EQ((*info)->size_bytes, 10U);
  EXPECT_EQ((*info)->generation, (*whole)->info.generation);
  EXPECT_EQ(last_, "HEAD /data/a%20b.nc?sig=1");
  EXPECT_FALSE(store->Stat("none", {})->has_value());
}

TEST_F(WebStoreTest, AChangedFileIsNoticed) {
  const auto store = Open();
  for (const bool tagged : {true, false}) {
    tag_ = tagged ? "\"one\"" : "";
    const auto generation = (*store->Stat("a b.nc", {}))->generation;
    const store::ReadOptions at{.range = store::ByteRange{.offset = 0, .length = 2}, .if_generation = generation};
    ASSERT_TRUE(store->Read("a b.nc", at, {}));
    tag_ = tagged ? "\"two\"" : "";
    changed_ = "Sat, 28 Nov 2026 02:00:00 GMT";
    EXPECT_EQ(store->Read("a b.nc", at, {}).error().code(), ErrorCode::kPreconditionFailed);
    changed_ = "Sat, 28 Nov 2026 01:00:00 GMT";
  }
  const store::ReadOptions here{.range = {}, .if_generation = store::Generation("x")};
  EXPECT_EQ(store->Read("none", here, {}).error().code(), ErrorCode::kPreconditionFailed);
}

TEST_F(WebStoreTest, AServerWithoutRangesMaySendSmallFilesAndNoLargeOnes) {
  ranges_ = false;
  const auto store = Open();
  EXPECT_EQ(Read(*store, {.offset = 2, .length = 3}), "234");
  content_.assign(3 << 20, 'x');
  EXPECT_THAT(Read(*store, {.offset = 2, .length = 3}), HasSubstr("sends whole files instead of ranges"));
}

TEST_F(WebStoreTest, StatusesAreErrorsThatNameTheFileAndNoSignature) {
  const auto store = Open();
  const std::vector<std::pair<int, ErrorCode>> codes{{403, ErrorCode::kPermissionDenied},
                                                     {503, ErrorCode::kUnavailable},
                                                     {429, ErrorCode::kUnavailable},
                                                     {400, ErrorCode::kInvalidArgument}};
  for (const auto& [status, code] : codes) {
    status_ = status;
    const auto read = store->Read("a b.nc", {}, {});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), code) << status;
    EXPECT_THAT(read.error().message(), HasSubstr("/data/a b.nc"));
    EXPECT_THAT(read.error().message(), Not(HasSubstr("sig")));
  }
}

TEST_F(WebStoreTest, NothingIsWrittenOrListed) {
  const auto store = Open();
  EXPECT_EQ(store->Write("x", store::BytesSource("x"), {}, {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(store->Delete("x", {}, {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(store->List({}, {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(last_, "") << "no request was made";
  EXPECT_FALSE(MakeWebStore("ftp://h/x", net::MakeCurlHttpClient()));
}

}  // namespace
}  // namespace seamount::web
