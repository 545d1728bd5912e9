// GcsStore against scripted answers: what it sends, and what it makes of what it gets. (The conformance suite runs over
// it against our own server, in tests/gcs_server_test.cc.)
#include "gcs/gcs_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>

#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/errors.h"
#include "gcs/wire.h"
#include "net/testing/fake_http_client.h"
#include "store/retry/retry_store.h"

namespace seamount::gcs {
namespace {

using net::FakeHttpClient;
using net::Headers;
using testing::HasSubstr;
using testing::Not;

// "token-1", and after each rejection the next one.
class CountingTokens final : public auth::TokenSource {
 public:
  Result<auth::Token> GetToken(const std::string& audience, const auth::Secret& rejected, const CallContext&) override {
    audience_ = audience;
    if (!rejected.empty()) ++number_;
    return auth::Token{.value = auth::Secret("token-" + std::to_string(number_)), .expires = {}};
  }
  std::string Describe() const override { return "key of tester@winds"; }
  std::string audience_;

 private:
  int number_ = 1;
};

Headers MediaHeaders(std::string_view content, std::optional<std::string> content_range = {}) {
  Headers headers;
  headers.Add("X-Goog-Generation", "42");
  headers.Add("X-Goog-Hash", "crc32c=" + base::Crc32cToBase64(base::Crc32c(base::AsBytes(content))));
  headers.Add("X-Goog-Hash", "md5=XUFAKrxLKna5cZ2REBfFkg==");
  headers.Add("Content-Type", "text/plain");
  if (content_range) headers.Add("Content-Range", *content_range);
  return headers;
}

std::string ObjectJson(const std::string& key, std::string_view content) {
  ObjectResource object;
  object.info = {.key = key,
                 .size_bytes = content.size(),
                 .generation = GenerationOf(43),
                 .crc32c = base::Crc32c(base::AsBytes(content)),
                 .content_type = "text/plain"};
  object.bucket = "winds";
  return EncodeObject(object);
}

class GcsStoreTest : public testing::Test {
 protected:
  GcsStoreTest() {
    const UploadOptions upload{.resumable_from_bytes = 1000, .chunk_bytes = 256 << 10};
    auto store = MakeGcsStore({.endpoint = "http://lab:9000", .bucket = "winds", .upload = upload, .clock = &clock_},
                              http_, auth::MakeBearerSigner(tokens_));
    EXPECT_TRUE(store) << store.error().ToString();
    store_ = *std::move(store);
  }
  std::string Header(size_t request, std::string_view name) const {
    return std::string(http_->requests().at(request).headers.Get(name).value_or("<none>"));
  }

  base::FakeClock clock_;
  const std::shared_ptr<FakeHttpClient> http_ = std::make_shared<FakeHttpClient>();
  const std::shared_ptr<CountingTokens> tokens_ = std::make_shared<CountingTokens>();
  std::unique_ptr<Store> store_;
};

TEST_F(GcsStoreTest, AReadIsOneRequest) {
  http_->Enqueue(206, "3456", MediaHeaders("0123456789", "bytes 3-6/10"));
  const auto read = store_->Read("a/b ü", {.range = store::ByteRange{3, 4}, .if_generation = GenerationOf(42)}, {});
  ASSERT_TRUE(read && *read) << read.error().ToString();
  EXPECT_EQ((*read)->data.view(), "3456");
  EXPECT_EQ((*read)->info.size_bytes, 10u);
  EXPECT_EQ((*read)->info.generation, GenerationOf(42));
  ASSERT_EQ(http_->requests().size(), 1u);
  EXPECT_EQ(http_->requests()[0].url,
            "http://lab:9000/storage/v1/b/winds/o/a%2Fb%20%C3%BC?alt=media&ifGenerationMatch=42");
  EXPECT_EQ(Header(0, "Range"), "bytes=3-6");
  EXPECT_EQ(Header(0, "Authorization"), "Bearer token-1");
  EXPECT_EQ(tokens_->audience_, "http://lab:9000");
}

TEST_F(GcsStoreTest, WrongBytesAndWrongRangesAreErrors) {
  http_->Enqueue(200, "tampered", MediaHeaders("original"));
  EXPECT_EQ(store_->Read("k", {}, {}).error().code(), ErrorCode::kDataLoss);
  http_->Enqueue(206, "4567", MediaHeaders("0123456789", "bytes 4-7/10"));
  EXPECT_EQ(store_->Read("k", {.range = store::ByteRange{3, 4}}, {}).error().code(), ErrorCode::kInternal);
  http_->Enqueue(206, "34", MediaHeaders("0123456789", "bytes 3-4/10"));
  EXPECT_EQ(store_->Read("k", {.range = store::ByteRange{3, 4}}, {}).error().code(), ErrorCode::kUnavailable);
  http_->Enqueue(200, "x");
  EXPECT_THAT(store_->Read("k", {}, {}).error().message(), HasSubstr("x-goog-generation"));
  http_->Enqueue(200, "0123456789", MediaHeaders("0123456789"));
  const auto whole = store_->Read("k", {.range = store::ByteRange{3, 4}}, {});
  ASSERT_TRUE(whole && *whole) << "a server may ignore the range";
  EXPECT_EQ((*whole)->data.view(), "3456");
  http_->Enqueue(200, "0123456789", MediaHeaders("0123456789"));
  EXPECT_EQ(store_->Read("k", {.if_generation = GenerationOf(41)}, {}).error().code(), ErrorCode::kPreconditionFailed);
}

TEST_F(GcsStoreTest, A401IsAnsweredWithAFreshTokenOnce) {
  http_->Enqueue(401, "expired");
  http_->Enqueue(200, "x", MediaHeaders("x"));
  EXPECT_TRUE(store_->Read("k", {}, {}));
  EXPECT_EQ(Header(1, "Authorization"), "Bearer token-2");
  http_->Enqueue(401, "revoked");
  http_->Enqueue(401, "revoked");
  const auto refused = store_->Read("k", {}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnauthenticated);
  EXPECT_THAT(refused.error().message(), HasSubstr("key of tester@winds"));
  EXPECT_THAT(refused.error().message(), Not(HasSubstr("token-")));
  EXPECT_EQ(http_->requests().size(), 4u);
}

TEST_F(GcsStoreTest, ErrorsSayWhoAndWhat) {
  http_->Enqueue(403, EncodeError({403, "forbidden", "tester does not have storage.objects.get access"}));
  const auto denied = store_->Read("k", {}, {});
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(denied.error().message(), HasSubstr("reading gs://winds/k"));
  EXPECT_THAT(denied.error().message(), HasSubstr("key of tester@winds"));
  EXPECT_THAT(denied.error().message(), HasSubstr("storage.objects.get"));
  http_->Enqueue(404, "No such object: winds/k");
  EXPECT_FALSE(store_->Read("k", {}, {})->has_value());
  http_->Enqueue(404, EncodeError({404, "notFound", "The specified bucket does not exist."}));
  const auto absent = store_->Read("k", {}, {});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(absent.error().message(), HasSubstr("bucket 'winds' does not exist"));
}

TEST_F(GcsStoreTest, RetryAfterIsHonoured) {
  for (const int status : {429, 503}) {
    Headers headers;
    headers.Add("Retry-After", "7");
    http_->Enqueue(status, "busy", headers);
    const auto start = clock_.Now();
    EXPECT_EQ(store_->Read("k", {}, {}).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(clock_.Now() - start, std::chrono::seconds(7)) << status;
  }
}

TEST_F(GcsStoreTest, SmallWritesAreOneRequestWithTheirChecksum) {
  http_->Enqueue(200, ObjectJson("k", "hello"));
  const auto written =
      store_->Write("k", store::BytesSource("hello"),
                    {.if_generation = store::kAbsent, .content_type = "text/plain", .metadata = {{"a", "1"}}}, {});
  ASSERT_TRUE(written) << written.error().ToString();
  EXPECT_EQ(written->generation, GenerationOf(43));
  const auto request = http_->requests().at(0);
  EXPECT_EQ(request.url, "http://lab:9000/upload/storage/v1/b/winds/o?uploadType=multipart&name=k&ifGenerationMatch=0");
  EXPECT_THAT(Header(0, "Content-Type"), HasSubstr("multipart/related; boundary="));
  EXPECT_THAT(request.body, HasSubstr(base::Crc32cToBase64(base::Crc32c(base::AsBytes("hello")))));
  EXPECT_THAT(request.body, HasSubstr("\r\nContent-Type: text/plain\r\n\r\nhello\r\n--"));
  http_->Enqueue(200, ObjectJson("k", "jello"));
  EXPECT_EQ(store_->Write("k", store::BytesSource("hello"), {}, {}).error().code(), ErrorCode::kDataLoss);
}

class ResumableTest : public GcsStoreTest {
 protected:
  static constexpr size_t kChunk = 256 << 10;
  const std::string content_ = std::string(kChunk, 'a') + std::string(kChunk, 'b') + "tail";

  void EnqueueStart(const std::string& location = "http://lab:9000/upload/session/1") {
    Headers headers;
    headers.Add("Location", location);
    http_->Enqueue(200, "", headers);
  }
  void EnqueueHeld(std::optional<size_t> bytes) {
    Headers headers;
    if (bytes) headers.Add("Range", "bytes=0-" + std::to_string(*bytes - 1));
    http_->Enqueue(308, "", headers);
  }
  Result<store::ObjectInfo> Write() { return store_->Write("k", store::BytesSource(content_), {}, {}); }
};

TEST_F(ResumableTest, SendsChunks) {
  EnqueueStart();
  EnqueueHeld(kChunk);
  EnqueueHeld(2 * kChunk);
  http_->Enqueue(200, ObjectJson("k", content_));
  const auto written = Write();
  ASSERT_TRUE(written) << written.error().ToString();
  EXPECT_EQ(Header(1, "Content-Range"), "bytes 0-262143/524292");
  EXPECT_EQ(Header(3, "Content-Range"), "bytes 524288-524291/524292");
  EXPECT_EQ(http_->requests()[3].body, "tail");
}

TEST_F(ResumableTest, PartsAskForNoMd5) {
  for (const bool is_part : {true, false}) {
    const size_t first = http_->requests().size();
    http_->Enqueue(200, ObjectJson("k", "hello"));
    EXPECT_TRUE(store_->Write("k", store::BytesSource("hello"), {.is_part = is_part}, {}));
    EXPECT_EQ(Header(first, kMd5Header), is_part ? kNoMd5 : "<none>");
    EnqueueStart();
    http_->Enqueue(200, ObjectJson("k", content_));
    EXPECT_TRUE(store_->Write("k", store::BytesSource(content_), {.is_part = is_part}, {}));
    EXPECT_EQ(Header(first + 1, kMd5Header), is_part ? kNoMd5 : "<none>");
  }
}

TEST_F(ResumableTest, GoesOnWhereTheServerSays) {
  EnqueueStart();
  EnqueueHeld(kChunk);
  http_->Enqueue(base::Unavailable("connection reset"));  // in the second chunk
  http_->Enqueue(503, "busy");                            // asked how much there is
  EnqueueHeld(kChunk + 1000);
  EnqueueHeld(content_.size());
  http_->Enqueue(200, ObjectJson("k", content_));
  const auto written = Write();
  ASSERT_TRUE(written) << written.error().ToString();
  EXPECT_EQ(Header(3, "Content-Range"), "bytes */524292");
  EXPECT_EQ(Header(4, "Content-Range"), "bytes */524292");
  EXPECT_EQ(Header(5, "Content-Range"), "bytes 263144-524291/524292");
}

TEST_F(ResumableTest, ALostLastAnswerIsFoundAgain) {
  EnqueueStart();
  EnqueueHeld(kChunk);
  EnqueueHeld(2 * kChunk);
  http_->Enqueue(base::Unavailable("connection reset"));
  http_->Enqueue(200, ObjectJson("k", content_));  // the status of a finished session is its object
  EXPECT_TRUE(Write());
}

TEST_F(ResumableTest, WaitsForAServerThatIsAwayForHalfAMinute) {
  EnqueueStart();
  EnqueueHeld(kChunk);
  const auto back = clock_.Now() + std::chrono::seconds(30);
  bool asked = false;
  http_->SetHandler([&](const net::HttpRequest& request) -> Result<net::HttpResponse> {
    if (clock_.Now() < back) return base::Unavailable("connection refused");
    net::HttpResponse held{.status = 308};
    held.headers.Add("Range", "bytes=0-" + std::to_string(kChunk + 99));
    if (!std::exchange(asked, true)) return held;
    EXPECT_EQ(request.headers.Get("Content-Range"), "bytes 262244-524291/524292");
    return net::HttpResponse{.status = 200, .headers = {}, .body = Bytes::Copy(ObjectJson("k", content_))};
  });
  const auto written = Write();
  ASSERT_TRUE(written) << written.error().ToString();
  EXPECT_TRUE(asked);
}

TEST_F(ResumableTest, GivesUpWhenNothingMoves) {
  EnqueueStart();
  http_->SetHandler([](const net::HttpRequest&) { return base::Unavailable("connection refused"); });
  const auto written = Write();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kUnavailable);
  EXPECT_LT(http_->requests().size(), 100u);
  EXPECT_EQ(http_->requests().back().method, "DELETE") << "what the server holds of it is given back";
  EXPECT_EQ(http_->requests().back().url, http_->requests()[1].url);
}

TEST_F(ResumableTest, ServersThatKeepNothingOrLieAreNotBelieved) {
  EnqueueStart();
  http_->SetHandler([](const net::HttpRequest&) { return net::HttpResponse{.status = 308}; });
  EXPECT_EQ(Write().error().code(), ErrorCode::kUnavailable);
  EXPECT_LT(http_->requests().size(), 100u);
  EnqueueStart();
  EnqueueHeld(content_.size() + 1);
  EXPECT_EQ(Write().error().code(), ErrorCode::kInternal);
  EnqueueStart();
  http_->Enqueue(412, EncodeError({412, "conditionNotMet", "precondition"}));
  EXPECT_EQ(Write().error().code(), ErrorCode::kPreconditionFailed);
  for (const int gone : {404, 410, 499}) {
    EnqueueStart();
    http_->Enqueue(gone, "gone");
    EXPECT_EQ(Write().error().code(), ErrorCode::kUnavailable) << "the write as a whole may be tried again";
    EXPECT_EQ(http_->requests().back().method, "PUT");
  }
}

TEST_F(ResumableTest, TokensDoNotFollowASessionElsewhere) {
  EnqueueStart("http://elsewhere:9000/upload/session/1");
  const auto written = Write();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), ErrorCode::kInternal);
  EXPECT_EQ(http_->requests().size(), 1u);
}

// A server of resumable sessions, as the API describes them, whose n-th request goes wrong.
class SessionServer {
 public:
  enum class Fault { kNone, kLostRequest, kLostAnswer, kHalfTaken, kForgotten, kBusy };
  SessionServer(Fault fault, int at) : fault_(fault), at_(at) {}

  Result<net::HttpResponse> Answer(const net::HttpRequest& request) {
    const Fault fault = requests_++ == at_ ? fault_ : Fault::kNone;
    if (fault == Fault::kLostRequest) return base::Unavailable("connection refused");
    if (fault == Fault::kBusy) return net::HttpResponse{.status = 429};
    if (fault == Fault::kForgotten) sessions_.clear();
    auto answer = Take(request, fault == Fault::kHalfTaken);
    if (fault == Fault::kLostAnswer || fault == Fault::kHalfTaken) return base::Unavailable("connection reset");
    return answer;
  }
  const std::optional<std::string>& object() const { return object_; }
  int requests() const { return requests_; }
  int made() const { return made_; }

 private:
  Result<net::HttpResponse> Take(const net::HttpRequest& request, bool half) {
    if (request.method == "GET") return Describe();
    if (request.method == "POST") {
      if (object_) return net::HttpResponse{.status = 412};
      net::HttpResponse started{.status = 200};
      const std::string name = "http://lab:9000/upload/session/" + std::to_string(++session_);
      sessions_[name];
      started.headers.Add("Location", name);
      return started;
    }
    const auto session = sessions_.find(request.url);
    if (session == sessions_.end()) return net::HttpResponse{.status = 410};
    std::string& held = session->second;
    const auto range = ParseContentRange(request.headers.Get("Content-Range").value_or("")).value();
    if (range.span) {
      EXPECT_EQ(range.span->first, held.size()) << "what is sent must begin where the server stands";
      EXPECT_EQ(request.body->size, range.span->last - range.span->first + 1);
      const size_t before = held.size();
      held.resize(before + request.body->size);
      EXPECT_TRUE(request.body->read_at(0, std::as_writable_bytes(std::span(held)).subspan(before)));
      if (half) held.resize(before + request.body->size / 2);
    }
    if (held.size() == *range.total) {
      if (!object_) ++made_;
      object_ = held;
      return Describe();
    }
    net::HttpResponse incomplete{.status = 308};
    if (!held.empty()) incomplete.headers.Add("Range", "bytes=0-" + std::to_string(held.size() - 1));
    return incomplete;
  }

  Result<net::HttpResponse> Describe() const {
    if (!object_) return net::HttpResponse{.status = 404};
    return net::HttpResponse{.status = 200, .headers = {}, .body = Bytes::Copy(ObjectJson("k", *object_))};
  }

  const Fault fault_;
  const int at_;
  int requests_ = 0;
  int made_ = 0;
  int session_ = 0;
  std::map<std::string, std::string> sessions_;
  std::optional<std::string> object_;
};

TEST_F(ResumableTest, InterruptedAtEachPointItIsWrittenWholeAndOnce) {
  using Fault = SessionServer::Fault;
  const auto store = store::MakeRetryStore(std::move(store_), {.clock = &clock_});
  for (const Fault fault :
       {Fault::kNone, Fault::kLostRequest, Fault::kLostAnswer, Fault::kHalfTaken, Fault::kForgotten, Fault::kBusy}) {
    for (int at = 0; at < 6; ++at) {
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at request " + std::to_string(at));
      SessionServer server(fault, at);
      http_->SetHandler([&](const net::HttpRequest& request) { return server.Answer(request); });
      const auto written = store->Write("k", store::BytesSource(content_), {.if_generation = store::kAbsent}, {});
      ASSERT_TRUE(written) << written.error().ToString();
      EXPECT_EQ(written->size_bytes, content_.size());
      EXPECT_TRUE(server.object() == content_);
      EXPECT_EQ(server.made(), 1);
      EXPECT_LE(server.requests(), 9) << "nothing is sent again that is there";
    }
  }
}

TEST_F(GcsStoreTest, CopiesGoOnUntilTheyAreDone) {
  http_->Enqueue(200, EncodeRewrite({.total_bytes_rewritten = 1, .object_size_bytes = 2, .rewrite_token = "t+1"}));
  ObjectResource object;
  object.info = {.key = "to", .size_bytes = 2, .generation = GenerationOf(7)};
  http_->Enqueue(200,
                 EncodeRewrite({.total_bytes_rewritten = 2, .object_size_bytes = 2, .done = true, .resource = object}));
  const auto copied = store_->Copy("from/x", "to", {.if_source_generation = GenerationOf(5)}, {});
  ASSERT_TRUE(copied) << copied.error().ToString();
  EXPECT_EQ(copied->generation, GenerationOf(7));
  EXPECT_EQ(http_->requests()[1].url,
            "http://lab:9000/storage/v1/b/winds/o/from%2Fx/rewriteTo/b/winds/o/to?ifSourceGenerationMatch=5"
            "&rewriteToken=t%2B1");
}

TEST(CodeOfStatusTest, IsTotal) {
  EXPECT_EQ(CodeOfStatus(401, ""), ErrorCode::kUnauthenticated);
  EXPECT_EQ(CodeOfStatus(403, "forbidden"), ErrorCode::kPermissionDenied);
  EXPECT_EQ(CodeOfStatus(403, "rateLimitExceeded"), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeOfStatus(412, ""), ErrorCode::kPreconditionFailed);
  EXPECT_EQ(CodeOfStatus(429, ""), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeOfStatus(507, ""), ErrorCode::kResourceExhausted);
  for (int status = 500; status < 600; ++status) {
    if (status == 501 || status == 507) continue;
    EXPECT_EQ(CodeOfStatus(status, ""), ErrorCode::kUnavailable) << status;
  }
  EXPECT_EQ(CodeOfStatus(418, ""), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOfStatus(302, ""), ErrorCode::kInternal);
}

}  // namespace
}  // namespace seamount::gcs
