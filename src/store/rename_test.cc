#include "store/rename.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>
#include <vector>

#include "store/decorated_store.h"
#include "store/memory/memory_store.h"

namespace seamount::store {
namespace {

template <class T>
std::string CodeOf(const Result<T>& result) {
  return result ? "ok" : std::string(base::ErrorCodeName(result.error().code()));
}

// A store without Move, in which something may happen before a Delete.
class WithoutMove final : public DecoratedStore<WithoutMove> {
 public:
  WithoutMove() : DecoratedStore(MakeMemoryStore()) {}
  Result<ObjectInfo> Move(const std::string&, const std::string&, const MoveOptions&, const CallContext&) override {
    ADD_FAILURE() << "was told that there is no Move";
    return base::InvalidArgument("no");
  }
  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    if (before_delete) SEAMOUNT_TRY(std::exchange(before_delete, nullptr)());
    return inner().Delete(key, options, context);
  }
  Capabilities capabilities() const override { return {.move = false}; }

  std::function<Result<void>()> before_delete;
};

std::string Content(Store& store, const std::string& key) {
  const auto read = store.Read(key, {}, {});
  return read && *read ? std::string((*read)->data.view()) : "<absent>";
}

TEST(RenameTest, MovesWithWhatTheStoreHas) {
  WithoutMove without;
  const auto memory = MakeMemoryStore();
  for (Store* store : {static_cast<Store*>(&without), memory.get()}) {
    const auto source = store->Write("a", BytesSource("x"), {.metadata = {{"m", "1"}}}, {});
    ASSERT_TRUE(source);
    EXPECT_EQ(CodeOf(Rename(*store, "absent", "b", {}, {})), "NotFound");
    EXPECT_EQ(CodeOf(Rename(*store, "a", "a", {}, {})), "InvalidArgument");
    EXPECT_EQ(CodeOf(Rename(*store, "a", "b", {.if_source_generation = Generation("77")}, {})), "PreconditionFailed");
    const auto made = Rename(*store, "a", "b", {.if_source_generation = source->generation}, {});
    ASSERT_TRUE(made) << made.error().ToString();
    EXPECT_EQ(made->metadata.at("m"), "1");
    EXPECT_EQ(Content(*store, "a"), "<absent>");
    EXPECT_EQ(Content(*store, "b"), "x");
    ASSERT_TRUE(store->Write("a", BytesSource("y"), {}, {}));
    EXPECT_EQ(CodeOf(Rename(*store, "a", "b", {.if_generation = kAbsent}, {})), "PreconditionFailed");
    ASSERT_TRUE(Rename(*store, "a", "b", {}, {}));
    EXPECT_EQ(Content(*store, "b"), "y");
  }
}

TEST(RenameTest, OfSeveralOneClaims) {
  for (int round = 0; round < 20; ++round) {
    WithoutMove store;
    ASSERT_TRUE(store.Write("task", BytesSource("x"), {}, {}));
    std::vector<std::string> codes(4);
    {
      std::vector<std::jthread> threads;
      for (size_t i = 0; i < codes.size(); ++i) {
        threads.emplace_back([&, i] { codes[i] = CodeOf(Rename(store, "task", "by/" + std::to_string(i), {}, {})); });
      }
    }
    EXPECT_EQ(std::count(codes.begin(), codes.end(), "ok"), 1);
    EXPECT_EQ(ListAll(store, {}, {})->objects.size(), 1u) << "a copy was not taken back";
  }
}

TEST(RenameTest, NothingIsTakenBackThatIsNotItsOwn) {
  WithoutMove store;
  ASSERT_TRUE(store.Write("a", BytesSource("x"), {}, {}));
  ASSERT_TRUE(store.Write("b", BytesSource("old"), {}, {}));
  // Replaced the destination, and then the source is claimed by another: the copy is all that b has now.
  store.before_delete = [&]() -> Result<void> {
    SEAMOUNT_TRY(Rename(store, "a", "theirs", {}, {}));
    return {};
  };
  EXPECT_EQ(CodeOf(Rename(store, "a", "b", {}, {})), "PreconditionFailed");
  EXPECT_EQ(Content(store, "theirs"), "x");
  EXPECT_EQ(Content(store, "b"), "x");
  // The copy was replaced by somebody before it could be taken back.
  ASSERT_TRUE(store.Write("a", BytesSource("y"), {}, {}));
  store.before_delete = [&]() -> Result<void> {
    SEAMOUNT_TRY(Rename(store, "a", "theirs too", {}, {}));
    SEAMOUNT_TRY(store.Write("c", BytesSource("somebody's"), {}, {}));
    return {};
  };
  EXPECT_FALSE(Rename(store, "a", "c", {}, {}));
  EXPECT_EQ(Content(store, "c"), "somebody's");
  EXPECT_EQ(Content(store, "theirs too"), "y");
  // What became of the Delete is not known: nothing is deleted.
  ASSERT_TRUE(store.Write("a", BytesSource("z"), {}, {}));
  store.before_delete = []() -> Result<void> { return base::Unavailable("lost"); };
  EXPECT_EQ(CodeOf(Rename(store, "a", "d", {}, {})), "Unavailable");
  EXPECT_EQ(Content(store, "d"), "z");
}

}  // namespace
}  // namespace seamount::store
