#include "vfs/object_reader.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <thread>

#include "vfs/test_store.h"

namespace seamount::vfs {
namespace {

constexpr uint64_t kMiB = 1 << 20;

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

class ObjectReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    store_->Put("big", content_);
    store_->TakeReads();
  }
  std::shared_ptr<ObjectReader> Reader() {
    return std::make_shared<ObjectReader>(&fetcher_, **store_->Stat("big", {}));
  }
  static std::string Text(const Outcome<std::vector<Bytes>>& pieces) {
    std::string text;
    for (const Bytes& piece : *pieces) text += piece.view();
    return text;
  }

  const std::string content_ = Pattern(24 * kMiB + 17);
  std::shared_ptr<TestStore> store_ = std::make_shared<TestStore>();
  Stats stats_;
  Fetcher fetcher_{store_, {.memory_bytes = 32 * kMiB, .threads = 8}, &stats_};
};

TEST_F(ObjectReaderTest, ARandomReadIsOneRequestOfWhatWasAsked) {
  const auto reader = Reader();
  store_->TakeCalls();
  const auto pieces = reader->Read(9 * kMiB + 4096, 256 << 10);
  EXPECT_EQ(Text(pieces), content_.substr(9 * kMiB + 4096, 256 << 10));
  const auto reads = store_->TakeReads();
  ASSERT_EQ(reads.size(), 1U);
  EXPECT_EQ(reads[0].offset, 9 * kMiB + 4096);
  EXPECT_EQ(reads[0].length, 256U << 10);
  EXPECT_EQ(store_->TakeCalls().size(), 1U);  // and nothing else was asked
}

TEST_F(ObjectReaderTest, ASequentialReadFetchesEveryByteOnce) {
  const auto reader = Reader();
  for (uint64_t at = 0; at < content_.size(); at += 128 << 10) {
    ASSERT_EQ(Text(reader->Read(at, 128 << 10)), content_.substr(at, 128 << 10)) << at;
  }
  EXPECT_EQ(stats_.fetched_bytes, content_.size());
  EXPECT_EQ(stats_.ahead_unused_bytes, 0U);
  EXPECT_LT(stats_.fetches, 60U);
  EXPECT_EQ(fetcher_.budget().used(), 0U) << "blocks behind the reader are freed";
}

TEST_F(ObjectReaderTest, ConcurrentReadersShareWhatIsFetched) {
  const auto reader = Reader();
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 200; ++i) {
        const uint64_t at = random() % content_.size();
        const uint64_t length = 1 + random() % (512 << 10);
        if (Text(reader->Read(at, length)) != content_.substr(at, length)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ObjectReaderTest, ReadAheadStaysInsideTheBudget) {
  const auto a = Reader(), b = Reader();
  for (uint64_t at = 0; at < 20 * kMiB; at += kMiB) {
    (void)a->Read(at, kMiB);
    (void)b->Read(at, kMiB);
  }
  EXPECT_LE(fetcher_.budget().peak(), 24 * kMiB);  // three quarters of the memory given
}

TEST_F(ObjectReaderTest, AReplacedObjectIsStaleNotMixed) {
  const auto reader = Reader();
  store_->Put("big", "another content");
  const auto pieces = reader->Read(20 * kMiB, 4096);
  ASSERT_FALSE(pieces);
  EXPECT_EQ(pieces.error().error, ESTALE);
}

TEST_F(ObjectReaderTest, AnErrorIsReportedAndTheNextReadTriesAgain) {
  const auto reader = Reader();
  store_->SetFault([](const std::string&, const std::string&) -> Result<void> { return base::Unavailable("gone"); });
  const auto failed = reader->Read(5 * kMiB, 4096);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().error, EIO);
  EXPECT_NE(failed.error().message.find("big"), std::string::npos);
  store_->SetFault(nullptr);
  EXPECT_EQ(Text(reader->Read(5 * kMiB, 4096)), content_.substr(5 * kMiB, 4096));
}

TEST_F(ObjectReaderTest, AFailedReadAheadDoesNotHarmTheRead) {
  const auto reader = Reader();
  std::atomic<int> failures = 0;
  store_->SetFault([&](const std::string&, const std::string&) -> Result<void> {
    return failures++ % 3 == 1 ? Result<void>(base::Unavailable("flaky")) : Result<void>();
  });
  uint64_t right = 0;
  for (uint64_t at = 0; at < content_.size();) {
    const auto pieces = reader->Read(at, kMiB);
    if (!pieces) continue;  // reported once; the part is forgotten
    ASSERT_EQ(Text(pieces), content_.substr(at, kMiB));
    at += kMiB;
    ++right;
  }
  EXPECT_EQ(right, 25U);
}

TEST_F(ObjectReaderTest, ReadsFollowARename) {
  const auto reader = Reader();
  const auto copy = store_->Copy("big", "moved", {}, {});
  (void)store_->Delete("big", {}, {});
  reader->Retarget("moved", copy->generation);
  EXPECT_EQ(Text(reader->Read(3, 10)), content_.substr(3, 10));
}

}  // namespace
}  // namespace seamount::vfs
