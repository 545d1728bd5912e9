// GcsStore against our own server over loopback: the conformance suite, and what happens when the line between them
// breaks.
#include <gtest/gtest.h>

#include <atomic>

#include "auth/credentials.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "gcs/gcs_store.h"
#include "net/http_client.h"
#include "net/testing/chaos_proxy.h"
#include "server/server.h"
#include "store/retry/retry_store.h"
#include "store/testing/conformance.h"
#include "store/testing/temporary_folder.h"
#include "stores/open_store.h"

namespace seamount::gcs {
namespace {

// A server over an empty folder. Started once: its keys take a second to make.
class Site {
 public:
  static Site& Get() {
    static Site site;
    return site;
  }

  std::string endpoint() const { return server_->endpoint(); }
  std::string key_file() const { return server_->admin_key_file(); }
  uint16_t port() const { return server_->port(); }

  // The name of a new, empty bucket.
  std::string NewBucket() {
    const std::string name = "bucket-" + std::to_string(++buckets_);
    const auto token = tokens_->GetToken(server_->endpoint(), {}, {});
    EXPECT_TRUE(token) << token.error().ToString();
    const store::BytesSource body(R"({"name": ")" + name + R"("})");
    net::HttpRequest request{.method = "POST", .url = server_->endpoint() + "/storage/v1/b?project=p"};
    request.headers.Add("Authorization", "Bearer " + token->value.Reveal());
    request.headers.Add("Content-Type", "application/json");
    request.body = net::RequestBody{
        .size = body.size(), .read_at = [&](uint64_t at, std::span<std::byte> into) { return body.ReadAt(at, into); }};
    const auto made = http_->Send(request, {});
    EXPECT_TRUE(made && made->status == 200) << (made ? std::string(made->body.view()) : made.error().ToString());
    return name;
  }

  std::shared_ptr<Store> Open(GcsOptions options) {
    if (options.bucket.empty()) options.bucket = NewBucket();
    if (options.endpoint == GcsOptions().endpoint) options.endpoint = endpoint();
    auto store = MakeGcsStore(options, http_, auth::MakeBearerSigner(tokens_));
    EXPECT_TRUE(store) << store.error().ToString();
    return *std::move(store);
  }

  std::shared_ptr<auth::TokenSource> tokens() const { return tokens_; }

 private:
  Site() {
    auto started = server::StartServer({.directory = folder_.path() + "/served", .testing = true});
    EXPECT_TRUE(started) << started.error().ToString();
    server_ = *std::move(started);
    auto tokens = auth::OpenCredentialFile(server_->admin_key_file(), *http_);
    EXPECT_TRUE(tokens) << tokens.error().ToString();
    tokens_ = *std::move(tokens);
  }

  store::TemporaryFolder folder_;
  std::unique_ptr<server::Server> server_;
  const std::shared_ptr<net::HttpClient> http_ = net::MakeCurlHttpClient();
  std::shared_ptr<auth::TokenSource> tokens_;
  std::atomic<int> buckets_ = 0;
};

const int kJoined[] = {
    store::JoinConformance("GcsStore", [] { return Site::Get().Open({}); }, {.random_operations = 300}),
    // Everything in a resumable session, in many chunks.
    store::JoinConformance(
        "GcsStoreResumable",
        [] { return Site::Get().Open({.upload = {.resumable_from_bytes = 1, .chunk_bytes = 512 << 10}}); },
        {.random_operations = 200})};

TEST(GcsServerTest, ErrorsNameWhatTheyAreAbout) {
  EXPECT_GT(kJoined[0], 0);
  Site& site = Site::Get();
  const auto absent = site.Open({.bucket = "no-such-bucket"})->Read("k", {}, {});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound) << absent.error().message();
  EXPECT_NE(absent.error().message().find("bucket 'no-such-bucket' does not exist"), std::string::npos)
      << absent.error().message();
  const auto anonymous =
      stores::OpenStore("gs://" + site.NewBucket(),
                        {.endpoint = site.endpoint(), .anonymous = true, .retry_deadline = std::chrono::seconds(1)});
  ASSERT_TRUE(anonymous) << anonymous.error().ToString();
  const auto refused = (*anonymous)->List({}, {});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().code() == ErrorCode::kUnauthenticated ||
              refused.error().code() == ErrorCode::kPermissionDenied)
      << refused.error().ToString();
}

TEST(GcsServerTest, OpenStoreBelowAPrefix) {
  Site& site = Site::Get();
  const std::string bucket = "gs://" + site.NewBucket();
  const stores::StoreConfig config{.endpoint = site.endpoint(), .key_file = site.key_file()};
  const auto store = stores::OpenStore(bucket + "/deep/er/", config);
  ASSERT_TRUE(store) << store.error().ToString();
  ASSERT_TRUE((*store)->Write("k", store::BytesSource("x"), {}, {}));
  const auto whole = stores::OpenStoreWithStats(bucket, config);
  ASSERT_TRUE(whole);
  const auto read = whole->store->Read("deep/er/k", {}, {});
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->data.view(), "x");
  EXPECT_EQ(whole->requests->Snapshot().of(store::CallKind::kRead).calls, 1u);
}

TEST(GcsServerTest, ACacheOutlivesItsStore) {
  Site& site = Site::Get();
  const store::TemporaryFolder folder;
  const std::string url = "gs://" + site.NewBucket();
  const stores::StoreConfig config{
      .endpoint = site.endpoint(), .key_file = site.key_file(), .cache_dir = folder.path() + "/cache"};
  const std::string content(3'000'000, 'x');
  store::Generation generation;
  for (const uint64_t requests : {1, 0}) {
    const auto opened = stores::OpenStoreWithStats(url, config);
    ASSERT_TRUE(opened) << opened.error().ToString();
    if (generation == store::kAbsent) {
      const auto written = opened->store->Write("k", store::BytesSource(content), {}, {});
      ASSERT_TRUE(written) << written.error().ToString();
      generation = written->generation;
    }
    const auto read = opened->store->Read("k", {.if_generation = generation}, {});
    ASSERT_TRUE(read && *read);
    EXPECT_TRUE((*read)->data.view() == content);
    EXPECT_EQ(opened->requests->Snapshot().of(store::CallKind::kRead).calls, requests);
    opened->cache->Flush();
  }
}

// The server through a line that breaks. The key is bound to the server's own address, so its tokens are asked for
// there.
class BrokenLineTest : public testing::Test {
 protected:
  class TokensOfSite final : public auth::TokenSource {
   public:
    Result<auth::Token> GetToken(const std::string&, const auth::Secret& rejected,
                                 const CallContext& context) override {
      return Site::Get().tokens()->GetToken(Site::Get().endpoint(), rejected, context);
    }
    std::string Describe() const override { return "the site's key"; }
  };

  void SetUp() override {
    auto proxy = net::ChaosProxy::Start(Site::Get().port());
    ASSERT_TRUE(proxy) << proxy.error().ToString();
    proxy_ = *std::move(proxy);
    bucket_ = Site::Get().NewBucket();
    direct_ = Site::Get().Open({.bucket = bucket_});
    auto through = MakeGcsStore({.endpoint = "http://127.0.0.1:" + std::to_string(proxy_->port()),
                                 .bucket = bucket_,
                                 .upload = {.resumable_from_bytes = 1 << 20, .chunk_bytes = 1 << 20, .backoff = kSoon}},
                                http_, auth::MakeBearerSigner(std::make_shared<TokensOfSite>()));
    ASSERT_TRUE(through) << through.error().ToString();
    bare_ = *std::move(through);
    store_ = store::MakeRetryStore(bare_, {.budget = std::chrono::seconds(30), .backoff = kSoon});
    for (size_t i = 0; i < content_.size(); ++i) content_[i] = static_cast<char>((i * 2654435761U) >> 13);
  }

  static constexpr store::BackoffOptions kSoon = {.initial = std::chrono::milliseconds(1),
                                                  .longest = std::chrono::milliseconds(20)};
  std::string content_ = std::string(5'000'000, '\0');
  std::unique_ptr<net::ChaosProxy> proxy_;
  std::string bucket_;
  const std::shared_ptr<net::HttpClient> http_ = net::MakeCurlHttpClient({.stall_timeout = std::chrono::seconds(1)});
  std::shared_ptr<Store> direct_;
  std::shared_ptr<Store> bare_;
  std::shared_ptr<Store> store_;
};

TEST_F(BrokenLineTest, ReadsGoOn) {
  ASSERT_TRUE(direct_->Write("k", store::BytesSource(content_), {}, {}));
  const net::Chaos breaks[] = {{.reset_after = 1'000'000, .times = 3},
                               {.close_after = 2'000'000, .times = 2},
                               {.stall_after = 500'000, .times = 1},
                               {.flip_bit_at = 3'000'000, .times = 0},
                               {.refuse = true, .times = 4}};
  for (const net::Chaos& chaos : breaks) {
    proxy_->Set(chaos);
    const auto read = store_->Read("k", {}, {});
    ASSERT_TRUE(read && *read) << read.error().ToString();
    EXPECT_TRUE((*read)->data.view() == content_);
  }
  EXPECT_GT(proxy_->harmed(), 5u);
}

TEST_F(BrokenLineTest, AFlippedBitIsNoticedAndReadAgain) {
  ASSERT_TRUE(direct_->Write("k", store::BytesSource(content_), {}, {}));
  proxy_->Set({.flip_bit_at = 3'000'000, .times = 2});
  const auto damaged = bare_->Read("k", {}, {});
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code(), ErrorCode::kDataLoss) << damaged.error().ToString();
  const auto read = store_->Read("k", {}, {});
  ASSERT_TRUE(read && *read) << read.error().ToString();
  EXPECT_TRUE((*read)->data.view() == content_);
}

TEST_F(BrokenLineTest, UploadsGoOnOrFailWhole) {
  // Answers are short, so a connection breaks after the first few of them: between chunks and within.
  for (const uint64_t after : {100U, 700U, 1500U}) {
    const std::string key = "up-" + std::to_string(after);
    proxy_->Set({.reset_after = after, .times = 6});
    const auto written = store_->Write(key, store::BytesSource(content_), {.if_generation = store::kAbsent}, {});
    ASSERT_TRUE(written) << written.error().ToString();
    const auto read = direct_->Read(key, {}, {});
    ASSERT_TRUE(read && *read);
    EXPECT_TRUE((*read)->data.view() == content_);
  }
  proxy_->Set({.refuse = true});
  const auto refused = bare_->Write("never", store::BytesSource(content_), {}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable) << refused.error().ToString();
  EXPECT_FALSE(direct_->Stat("never", {})->has_value());
}

// Names a retry test in every request: our client as Google's conformance tests try theirs.
class WithRetryTest final : public net::HttpClient {
 public:
  WithRetryTest(std::shared_ptr<net::HttpClient> inner, std::string id)
      : inner_(std::move(inner)), id_(std::move(id)) {}
  Result<net::HttpResponse> Send(const net::HttpRequest& request, const CallContext& context) override {
    net::HttpRequest marked = request;
    marked.headers.Add("x-retry-test-id", id_);
    return inner_->Send(marked, context);
  }

 private:
  const std::shared_ptr<net::HttpClient> inner_;
  const std::string id_;
};

class RetryTestTest : public BrokenLineTest {
 protected:
  Result<net::HttpResponse> Ask(const std::string& method, const std::string& path, const std::string& text) {
    const store::BytesSource body(text);
    net::HttpRequest request{.method = method, .url = Site::Get().endpoint() + "/retry_test" + path};
    if (!text.empty())
      request.body = net::RequestBody{.size = body.size(), .read_at = [&](uint64_t at, std::span<std::byte> into) {
                                        return body.ReadAt(at, into);
                                      }};
    return http_->Send(request, {});
  }
  // A store whose calls of `operation` go wrong as told, one after the other.
  std::shared_ptr<Store> StoreWith(const std::string& operation, const std::string& instructions) {
    const auto made = Ask("POST", "", R"({"instructions": {")" + operation + R"(": [)" + instructions + "]}}");
    EXPECT_TRUE(made && made->status == 200);
    const std::string text(made->body.view());
    const size_t at = text.find(R"("id":")") + 6;
    id_ = text.substr(at, 32);
    auto store = MakeGcsStore({.endpoint = Site::Get().endpoint(),
                               .bucket = bucket_,
                               .upload = {.resumable_from_bytes = 1 << 20, .chunk_bytes = 1 << 20, .backoff = kSoon}},
                              std::make_shared<WithRetryTest>(http_, id_),
                              auth::MakeBearerSigner(std::make_shared<TokensOfSite>()));
    EXPECT_TRUE(store) << store.error().ToString();
    return store::MakeRetryStore(*std::move(store), {.budget = std::chrono::seconds(30), .backoff = kSoon});
  }
  bool Completed() {
    const auto answer = Ask("GET", "/" + id_, "");
    return answer && answer->body.view().find(R"("completed":true)") != std::string_view::npos;
  }
  std::string id_;
};

TEST_F(RetryTestTest, ReadsComeThrough) {
  ASSERT_TRUE(direct_->Write("k", store::BytesSource(content_), {}, {}));
  for (const char* wrong : {R"("return-503","return-429","return-500","return-502","return-504")",
                            R"("return-reset-connection","return-reset-connection")",
                            R"("return-broken-stream","return-broken-stream-after-256K","return-broken-stream")",
                            R"("stall-for-2s-after-256K","return-503")"}) {
    const auto read = StoreWith("storage.objects.get", wrong)->Read("k", {}, {});
    ASSERT_TRUE(read && *read) << wrong << ": " << read.error().ToString();
    EXPECT_TRUE((*read)->data.view() == content_) << wrong;
    EXPECT_TRUE(Completed()) << wrong;
  }
}

TEST_F(RetryTestTest, UploadsComeThrough) {
  int count = 0;
  for (
      const char* wrong :
      {R"("return-503","return-503")", R"("return-503-after-256K","return-408-after-2048K","return-503-after-4000K")",
       R"("return-reset-connection")", R"("return-broken-stream-final-chunk-after-8B")",
       R"("return-503","return-reset-connection","return-503-after-3000K","return-broken-stream-final-chunk-after-0B")",
       R"("stall-for-2s-after-1500K")"}) {
    const std::string key = "up-" + std::to_string(++count);
    const auto written = StoreWith("storage.objects.insert", wrong)
                             ->Write(key, store::BytesSource(content_), {.if_generation = store::kAbsent}, {});
    ASSERT_TRUE(written) << wrong << ": " << written.error().ToString();
    EXPECT_TRUE(Completed()) << wrong;
    const auto read = direct_->Read(key, {}, {});
    ASSERT_TRUE(read && *read);
    EXPECT_TRUE((*read)->data.view() == content_) << wrong;
  }
}

// The answer is lost after the deed was done: the second try must not fail against the first one's success.
TEST_F(RetryTestTest, LostAnswersAreNoFailures) {
  ASSERT_TRUE(direct_->Write("k", store::BytesSource("x"), {}, {}));
  const char* kLost = R"("return-broken-stream","return-reset-connection")";
  const auto small = StoreWith("storage.objects.insert", kLost)
                         ->Write("small", store::BytesSource("y"), {.if_generation = store::kAbsent}, {});
  EXPECT_TRUE(small) << small.error().ToString();
  EXPECT_TRUE(Completed());
  const auto copied =
      StoreWith("storage.objects.rewrite", kLost)->Copy("k", "copy", {.if_generation = store::kAbsent}, {});
  EXPECT_TRUE(copied) << copied.error().ToString();
  EXPECT_TRUE(Completed());
  EXPECT_TRUE(StoreWith("storage.objects.list", kLost)->List({}, {}));
  EXPECT_TRUE(Completed());
  EXPECT_TRUE(StoreWith("storage.objects.delete", R"("return-503","return-reset-connection")")->Delete("k", {}, {}));
  EXPECT_TRUE(Completed());
}

// What is not transient is not tried again.
TEST_F(RetryTestTest, RefusalsAreFinal) {
  const auto read = StoreWith("storage.objects.get", R"("return-400","return-400")")->Read("k", {}, {});
  ASSERT_FALSE(read);
  EXPECT_FALSE(Completed());
}

}  // namespace
}  // namespace seamount::gcs
