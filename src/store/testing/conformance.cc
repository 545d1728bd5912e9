#include "store/testing/conformance.h"

#include <cstdlib>
#include <random>

#include "store/testing/conformance_cases.h"

namespace seamount::store {
namespace conformance {
namespace {

class CaseTest : public testing::Test {
 public:
  CaseTest(const Case& which, StoreFactory factory, ConformanceTraits traits)
      : case_(which), factory_(std::move(factory)), traits_(traits) {}

  void TestBody() override {
    const std::shared_ptr<Store> store = factory_();
    ASSERT_NE(store, nullptr) << "the factory made no store";
    case_.run(*store, traits_);
  }

 private:
  Case case_;
  StoreFactory factory_;
  ConformanceTraits traits_;
};

}  // namespace

ObjectInfo Put(Store& store, const std::string& key, std::string_view content, const WriteOptions& options) {
  auto info = store.Write(key, BytesSource(content), options, {});
  if (!info) {
    ADD_FAILURE() << "writing '" << key.substr(0, 80) << "': " << info.error().ToString();
    return {};
  }
  return *std::move(info);
}

std::optional<ReadResult> Get(Store& store, const std::string& key, const ReadOptions& options) {
  auto read = store.Read(key, options, {});
  if (!read) {
    ADD_FAILURE() << "reading '" << key.substr(0, 80) << "': " << read.error().ToString();
    return std::nullopt;
  }
  return *std::move(read);
}

std::optional<ObjectInfo> StatOf(Store& store, const std::string& key) {
  auto info = store.Stat(key, {});
  if (!info) {
    ADD_FAILURE() << "stat of '" << key.substr(0, 80) << "': " << info.error().ToString();
    return std::nullopt;
  }
  return *std::move(info);
}

std::string Content(Store& store, const std::string& key, const ReadOptions& options) {
  const auto read = Get(store, key, options);
  return read ? std::string(read->data.view()) : "<absent>";
}

std::vector<std::string> Keys(const ListPage& page) {
  std::vector<std::string> keys;
  for (const ObjectInfo& object : page.objects) keys.push_back(object.key);
  return keys;
}

ListPage ListOf(Store& store, const ListOptions& options) {
  auto page = ListAll(store, options, {});
  if (!page) {
    ADD_FAILURE() << "listing '" << options.prefix << "': " << page.error().ToString();
    return {};
  }
  return *std::move(page);
}

}  // namespace conformance

int JoinConformance(const std::string& suite, StoreFactory factory, ConformanceTraits traits) {
  int registered = 0;
  for (const auto chapter : {conformance::ObjectCases(), conformance::ServerCases(), conformance::ListingCases(),
                             conformance::RandomCases()}) {
    for (const conformance::Case& which : chapter) {
      testing::RegisterTest(
          suite.c_str(), which.name, nullptr, nullptr, __FILE__, __LINE__,
          [which, factory, traits]() -> testing::Test* { return new conformance::CaseTest(which, factory, traits); });
      ++registered;
    }
  }
  return registered;
}

uint64_t TestSeed() {
  if (const char* text = std::getenv("SEAMOUNT_TEST_SEED")) return std::strtoull(text, nullptr, 10);
  return std::random_device{}();
}

}  // namespace seamount::store
