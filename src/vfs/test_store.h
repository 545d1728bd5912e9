// For tests: a memory store that records what is asked of it and fails when told to.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/memory/memory_store.h"
#include "store/store.h"
#include "vfs/names.h"

namespace seamount::vfs {

struct ReadCall {
  std::string key;
  uint64_t offset = 0;
  uint64_t length = 0;
};

class TestStore final : public Store {
 public:
  // Called before each operation with its name ("Read", "Write", …) and key; an error is returned in its place.
  using Fault = std::function<Result<void>(const std::string& operation, const std::string& key)>;
  void SetFault(Fault fault) {
    std::scoped_lock lock(mutex_);
    fault_ = std::move(fault);
  }
  // Once, when the next operation of that name was carried out and before its answer is given.
  void AfterNext(const std::string& operation, std::function<void()> then) {
    std::scoped_lock lock(mutex_);
    after_[operation] = std::move(then);
  }
  // What is listed seems to have been written so much earlier than it was.
  void SetAge(base::Duration age) { age_ = age; }
  std::vector<ReadCall> TakeReads() {
    std::scoped_lock lock(mutex_);
    return std::exchange(reads_, {});
  }
  // Without the looks of a mount's sweep into its own folder: it runs beside everything else, some time after opening.
  std::vector<std::string> TakeCalls() {
    std::scoped_lock lock(mutex_);
    return std::exchange(calls_, {});
  }
  std::string Text(const std::string& key) {
    auto read = inner_->Read(key, {}, {});
    return read && *read ? std::string((*read)->data.view()) : "(absent)";
  }
  std::map<std::string, std::string> MetadataOf(const std::string& key) {
    auto info = inner_->Stat(key, {});
    return info && *info ? (*info)->metadata : std::map<std::string, std::string>();
  }
  void Put(const std::string& key, const std::string& text) {
    (void)inner_->Write(key, store::BytesSource(text), {}, {}).value();
  }
  bool Remove(const std::string& key) { return inner_->Delete(key, {}, {}).value(); }
  // Objects that were written as parts of others.
  int Parts() const { return parts_; }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    auto page = store::ListAll(*inner_, {}, {});
    for (const auto& info : page.value().objects) keys.push_back(info.key);
    return keys;
  }

  Result<std::optional<store::ReadResult>> Read(const std::string& key, const store::ReadOptions& options,
                                                const CallContext& context) override {
    const store::ByteRange range = options.range.value_or(store::ByteRange{});
    {
      std::scoped_lock lock(mutex_);
      reads_.push_back({key, range.offset, range.length.value_or(0)});
    }
    SEAMOUNT_TRY(Before("Read", key));
    return inner_->Read(key, options, context);
  }
  Result<std::optional<store::ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY(Before("Stat", key));
    auto info = inner_->Stat(key, context);
    After("Stat");
    return info;
  }
  Result<store::ObjectInfo> Write(const std::string& key, const store::ByteSource& source,
                                  const store::WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Before("Write", key));
    if (options.is_part) ++parts_;
    return inner_->Write(key, source, options, context);
  }
  Result<bool> Delete(const std::string& key, const store::DeleteOptions& options,
                      const CallContext& context) override {
    SEAMOUNT_TRY(Before("Delete", key));
    return inner_->Delete(key, options, context);
  }
  Result<store::ListPage> List(const store::ListOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Before("List", options.prefix));
    auto page = inner_->List(options, context);
    if (page) {
      for (auto& object : page->objects) object.updated -= age_.load();
    }
    return page;
  }
  Result<store::ObjectInfo> Copy(const std::string& from, const std::string& to, const store::CopyOptions& options,
                                 const CallContext& context) override {
    SEAMOUNT_TRY(Before("Copy", from));
    return inner_->Copy(from, to, options, context);
  }
  Result<store::ObjectInfo> Compose(const std::vector<store::ComposeSource>& sources, const std::string& to,
                                    const store::WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Before("Compose", to));
    return inner_->Compose(sources, to, options, context);
  }
  Result<store::ObjectInfo> Move(const std::string& from, const std::string& to, const store::MoveOptions& options,
                                 const CallContext& context) override {
    SEAMOUNT_TRY(Before("Move", from));
    return inner_->Move(from, to, options, context);
  }
  Result<store::ObjectInfo> Patch(const std::string& key, const store::AttributeChanges& changes,
                                  const store::PatchOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Before("Patch", key));
    return inner_->Patch(key, changes, options, context);
  }
  store::Capabilities capabilities() const override { return inner_->capabilities(); }

 private:
  Result<void> Before(const std::string& operation, const std::string& key) {
    Fault fault;
    {
      std::scoped_lock lock(mutex_);
      if (operation != "List" || !key.starts_with(kReservedPrefix)) calls_.push_back(operation + " " + key);
      fault = fault_;
    }
    return fault ? fault(operation, key) : Result<void>();
  }

  void After(const std::string& operation) {
    std::function<void()> then;
    {
      std::scoped_lock lock(mutex_);
      std::swap(then, after_[operation]);
    }
    if (then) then();
  }

  std::atomic<base::Duration> age_{base::Duration::zero()};
  const std::unique_ptr<Store> inner_ = store::MakeMemoryStore();
  std::atomic<int> parts_ = 0;
  std::mutex mutex_;
  Fault fault_;
  std::map<std::string, std::function<void()>> after_;
  std::vector<ReadCall> reads_;
  std::vector<std::string> calls_;
};

}  // namespace seamount::vfs
