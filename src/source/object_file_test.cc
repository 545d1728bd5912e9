#include "source/object_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>

#include "source/remote.h"
#include "store/decorated_store.h"
#include "store/memory/memory_store.h"
#include "store/testing/conformance.h"

namespace seamount::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Counts reads and the bytes that they brought; fails as many as it is told to.
class CountingStore final : public store::DecoratedStore<CountingStore> {
 public:
  explicit CountingStore(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}

  template <class T, class Call>
  Result<T> Around(const store::StoreCall& which, const Call& call) {
    if constexpr (std::is_same_v<T, std::optional<store::ReadResult>>) {
      ++reads;
      if (failures > 0 && failures-- > 0) return base::Unavailable("not now");
    }
    Result<T> result = call();
    bytes += store::MovedBytes(which, result);
    return result;
  }
  std::atomic<int> reads = 0;
  std::atomic<uint64_t> bytes = 0;
  std::atomic<int> failures = 0;
};

class ObjectFileTest : public ::testing::Test {
 protected:
  void Put(const std::string& key, size_t size) {
    std::mt19937 random(7);
    content_.resize(size);
    for (char& c : content_) c = static_cast<char>(random());
    ASSERT_TRUE(store_->Write(key, store::BytesSource(content_), {}, {}));
    store_->bytes = 0;
  }
  std::shared_ptr<const File> Open(const std::string& key) {
    auto file = OpenObjectFile({store_, key, "gs://b/" + key}, parts_, pool_, {});
    EXPECT_TRUE(file) << file.error().ToString();
    return *file;
  }
  // Reads and compares with what was put.
  void Check(const File& file, uint64_t at, size_t size) {
    std::string got(size, '\0');
    const auto read = file.ReadAt(at, std::as_writable_bytes(std::span(got)));
    ASSERT_TRUE(read) << read.error().ToString();
    ASSERT_TRUE(content_.compare(at, size, got) == 0) << at << "+" << size;
  }

  std::string content_;
  const std::shared_ptr<CountingStore> store_ = std::make_shared<CountingStore>(store::MakeMemoryStore());
  const std::shared_ptr<FetchedParts> parts_ = MakeFetchedParts(uint64_t{16} << 20);
  const std::shared_ptr<exec::ThreadPool> pool_ = std::make_shared<exec::ThreadPool>(4);
};

TEST_F(ObjectFileTest, SmallReadsBesideOneAnotherAreFewRequests) {
  Put("a", 2 << 20);
  const auto file = Open("a");
  for (uint64_t at = 0; at + 100 <= content_.size(); at += 100) Check(*file, at, 100);
  EXPECT_LE(store_->reads, 6) << "each fetch is twice the one before";
  EXPECT_EQ(store_->bytes, content_.size());
}

TEST_F(ObjectFileTest, ALonelyReadBringsLittle) {
  Put("a", 8 << 20);
  const auto file = Open("a");
  Check(*file, 5 << 20, 10);
  EXPECT_EQ(store_->reads, 2);
  EXPECT_LE(store_->bytes, 256 << 10);
}

TEST_F(ObjectFileTest, WhatIsExpectedIsFetchedOnceAndNearPartsTogether) {
  Put("a", 8 << 20);
  const auto file = Open("a");
  const std::vector<store::ByteSpan> parts{
      {1'000'000, 1'100'000}, {1'100'000, 1'200'000}, {1'210'000, 1'300'000}, {6'000'000, 6'500'000}};
  file->Expect(parts);
  file->Expect(parts);
  for (const auto& part : parts) Check(*file, part.begin, part.size());
  EXPECT_EQ(store_->reads, 3) << "the beginning, three near parts, a far one";
}

TEST_F(ObjectFileTest, ExpectationsBeyondTheRoomAreReadAllTheSame) {
  Put("a", 40 << 20);
  const auto file = Open("a");
  const store::ByteSpan all{0, content_.size()};
  file->Expect({&all, 1});
  Check(*file, 0, content_.size());
  EXPECT_EQ(store_->bytes, content_.size()) << "nothing was fetched twice";
}

TEST_F(ObjectFileTest, RandomReadsAndExpectations) {
  const uint64_t seed = store::TestSeed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  Put("a", (6 << 20) + 77);
  const auto parts = MakeFetchedParts(uint64_t{1} << 20);  // so that much is dropped
  const auto file = OpenObjectFile({store_, "a", "gs://b/a"}, parts, pool_, {});
  ASSERT_TRUE(file);
  for (int i = 0; i < 300; ++i) {
    const uint64_t at = random() % content_.size();
    const size_t size = std::min<uint64_t>(content_.size() - at, random() % (i % 10 == 0 ? 2 << 20 : 5000));
    const store::ByteSpan part{random() % content_.size(), content_.size()};
    if (i % 3 == 0) (*file)->Expect({&part, 1});
    Check(**file, at, size);
  }
}

TEST_F(ObjectFileTest, AChangedObjectIsNoticedAndAFailureIsTriedAgain) {
  Put("a", 4 << 20);
  const auto file = Open("a");
  store_->failures = 1;
  std::byte into{};
  EXPECT_EQ(file->ReadAt(1 << 20, {&into, 1}).error().code(), ErrorCode::kUnavailable);
  Check(*file, 1 << 20, 1);
  Put("a", 4 << 20);
  const auto changed = file->ReadAt(3 << 20, {&into, 1});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(changed.error().message(), HasSubstr("gs://b/a changed while it was read"));
  EXPECT_FALSE(file->ReadAt(4 << 20, {&into, 1})) << "past the end";
}

TEST_F(ObjectFileTest, AnAbsentObjectIsNamed) {
  const auto file = OpenObjectFile({store_, "x", "gs://b/x"}, parts_, pool_, {});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(file.error().message(), HasSubstr("gs://b/x"));
}

TEST(Address, StoreAndKey) {
  const auto parse = [](const std::string& source) {
    const auto address = ParseAddress(source);
    return !address ? "error" : !*address ? "local" : (*address)->store + " " + (*address)->key;
  };
  EXPECT_EQ(parse("a/b.nc"), "local");
  EXPECT_EQ(parse("file:///a/b.nc"), "local");
  EXPECT_EQ(parse("gs://b/a%20/x.nc"), "gs://b a%20/x.nc");
  EXPECT_EQ(parse("gs://b/x.zarr/"), "gs://b x.zarr");
  EXPECT_EQ(parse("https://h:1/a%20b/x.nc?sig=1/2"), "https://h:1?sig=1/2 a b/x.nc");
  for (const char* bad : {"gs://b", "gs://b/", "gs:///x", "https://h/%zz", "https://h?q=/x"}) {
    EXPECT_EQ(parse(bad), "error") << bad;
  }
  EXPECT_EQ(ForPeople("https://h/x.nc?sig=secret"), "https://h/x.nc");
  EXPECT_EQ(LocalPath("file:///a/b.nc"), "/a/b.nc");
}

TEST(Remote, PatternsStandForObjectsAndGroups) {
  const auto bucket = std::shared_ptr<Store>(store::MakeMemoryStore());
  for (const char* key : {"p/a_1.nc", "p/a_2.nc", "p/deep/a_3.nc", "p/b.nc", "p/x.zarr/zarr.json", "q/a_1.nc"}) {
    ASSERT_TRUE(bucket->Write(key, store::BytesSource("x"), {}, {}));
  }
  Remote remote({.open_store = [&](const std::string&) -> Result<std::shared_ptr<Store>> { return bucket; }});
  EXPECT_THAT(*remote.Expand("gs://b/p/a_*.nc"), ElementsAre("gs://b/p/a_1.nc", "gs://b/p/a_2.nc"));
  EXPECT_THAT(*remote.Expand("gs://b/*/a_[12].nc"),
              ElementsAre("gs://b/p/a_1.nc", "gs://b/p/a_2.nc", "gs://b/q/a_1.nc"));
  EXPECT_THAT(*remote.Expand("gs://b/p/*.zarr"), ElementsAre("gs://b/p/x.zarr"));
  EXPECT_EQ(remote.Expand("gs://b/p/c*.nc").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(remote.Expand("https://h/p/c*.nc").error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace seamount::source
