#include "store/retry/retry_store.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/log.h"
#include "base/text.h"

namespace seamount::store {
namespace {

using base::ErrorCode;

// A bit that flipped on the way is right the next time; one that is wrong a third time is wrong in the store.
constexpr int kMostDamagedReads = 3;

// Size and checksum of what a call would have made, for comparison with what is there.
struct Expected {
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;
  std::map<std::string, std::string> metadata;
};

Result<uint32_t> ChecksumOf(const ByteSource& source) {
  constexpr size_t kPartBytes = 1 << 20;
  Buffer part(std::min<uint64_t>(source.size(), kPartBytes));
  uint32_t crc32c = 0;
  for (uint64_t at = 0; at < source.size();) {
    const auto piece = part.span().first(std::min<uint64_t>(part.size(), source.size() - at));
    SEAMOUNT_TRY(source.ReadAt(at, piece));
    crc32c = base::Crc32c(piece, crc32c);
    at += piece.size();
  }
  return crc32c;
}

class RetryStore final : public Store {
 public:
  RetryStore(std::shared_ptr<Store> inner, const RetryOptions& options) : inner_(std::move(inner)), options_(options) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    int damaged = 0;
    return Idempotent<std::optional<ReadResult>>(context, [&] {
      auto read = inner_->Read(key, options, context);
      if (!read && read.error().code() == ErrorCode::kDataLoss && ++damaged < kMostDamagedReads) {
        return Result<std::optional<ReadResult>>(base::Unavailable(read.error().message()));
      }
      return read;
    });
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    return Idempotent<std::optional<ObjectInfo>>(context, [&] { return inner_->Stat(key, context); });
  }

  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    return Idempotent<ListPage>(context, [&] { return inner_->List(options, context); });
  }

  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    return Guarded<ObjectInfo>(
        context, [&] { return inner_->Write(key, source, options, context); },
        [&]() -> Result<std::optional<ObjectInfo>> {
          SEAMOUNT_TRY_ASSIGN(const uint32_t crc32c, ChecksumOf(source));
          return IfMade(key, {source.size(), crc32c, options.metadata}, context);
        });
  }

  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    bool failed_before = false;
    return Guarded<bool>(
        context,
        [&] {
          auto deleted = inner_->Delete(key, options, context);
          if (deleted && !*deleted && failed_before) return Result<bool>(true);
          failed_before = true;
          return deleted;
        },
        [&]() -> Result<std::optional<bool>> {
          SEAMOUNT_TRY_ASSIGN(const auto now, inner_->Stat(key, context));
          return now ? std::optional<bool>() : std::optional<bool>(true);
        });
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    std::optional<ObjectInfo> source;
    if (from == to && (options.if_generation || options.if_source_generation)) {
      SEAMOUNT_TRY_ASSIGN(source, Stat(from, context));
    }
    return Guarded<ObjectInfo>(
        context, [&] { return inner_->Copy(from, to, options, context); },
        [&]() -> Result<std::optional<ObjectInfo>> {
          if (from != to) {
            SEAMOUNT_TRY_ASSIGN(source, inner_->Stat(from, context));
          }
          if (!source || !source->crc32c) return std::optional<ObjectInfo>();
          if (options.if_source_generation.value_or(source->generation) != source->generation) {
            return std::optional<ObjectInfo>();
          }
          return IfMade(to, {source->size_bytes, *source->crc32c, options.metadata.value_or(source->metadata)},
                        context);
        });
  }

  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override {
    bool overwrites_source = false;
    bool guarded = options.if_generation.has_value();
    for (const ComposeSource& source : sources) {
      if (source.key != to) continue;
      overwrites_source = true;
      guarded = guarded || source.if_generation.has_value();
    }
    if (overwrites_source && !guarded) {
      // A second try would append twice: this one call is not idempotent.
      return inner_->Compose(sources, to, options, context);
    }
    std::optional<ObjectInfo> before;
    if (overwrites_source) {
      SEAMOUNT_TRY_ASSIGN(before, Stat(to, context));
    }
    return Guarded<ObjectInfo>(
        context, [&] { return inner_->Compose(sources, to, options, context); },
        [&] { return IfComposed(sources, to, before, options, context); });
  }

  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override {
    MoveOptions known = options;
    if (!known.source) {
      SEAMOUNT_TRY_ASSIGN(known.source, Stat(from, context));
      if (!known.source) return base::NotFound("moving '" + from + "': no such object");
    }
    return Guarded<ObjectInfo>(
        context, [&] { return inner_->Move(from, to, known, context); },
        [&]() -> Result<std::optional<ObjectInfo>> {
          const ObjectInfo& source = *known.source;
          SEAMOUNT_TRY_ASSIGN(const auto left, inner_->Stat(from, context));
          if (!source.crc32c || (left && left->generation == source.generation)) return std::optional<ObjectInfo>();
          return IfMade(to, {source.size_bytes, *source.crc32c, source.metadata}, context);
        });
  }

  // The same changes a second time change nothing.
  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override {
    return Idempotent<ObjectInfo>(context, [&] { return inner_->Patch(key, changes, options, context); });
  }

  Capabilities capabilities() const override { return inner_->capabilities(); }

 private:
  template <class T, class Call>
  Result<T> Idempotent(const CallContext& context, const Call& call) {
    return Guarded<T>(context, call, [] { return Result<std::optional<T>>(std::optional<T>()); });
  }

  // Answers of a retry that an earlier attempt's own success may have caused.
  static bool MayBeOwnDoing(const Error& error) {
    return error.code() == ErrorCode::kPreconditionFailed || error.code() == ErrorCode::kNotFound;
  }

  // recognise: called when a retry met such an answer; the value when an earlier attempt had succeeded after all.
  template <class T, class Call, class Recognise>
  Result<T> Guarded(const CallContext& context, const Call& call, const Recognise& recognise) {
    base::Clock& clock = *options_.clock;
    base::SteadyTime give_up = context.deadline;
    std::optional<Backoff> backoff;  // seeding it costs a microsecond or two, which most calls need not pay
    for (int attempt = 1;; ++attempt) {
      Result<T> result = call();
      if (!result && MayBeOwnDoing(result.error()) && attempt > 1) {
        Result<std::optional<T>> made = recognise();
        if (made && *made) return **std::move(made);
        if (made || made.error().code() != ErrorCode::kUnavailable) return result;
        result = made.error();  // ask again after a wait
      }
      if (result || result.error().code() != ErrorCode::kUnavailable) return result;
      const base::SteadyTime now = clock.Now();
      if (attempt == 1 && options_.budget < give_up - now) give_up = now + options_.budget;
      if (!backoff) backoff.emplace(options_.backoff);
      const base::Duration wait = backoff->Next();
      if (wait >= give_up - now) return GaveUp(result.error(), attempt);
      if (base::LogEnabled(base::LogLevel::kInfo)) {
        base::Log(base::LogLevel::kInfo,
                  "trying again in " + base::FormatDuration(wait) + ": " + result.error().message());
      }
      if (!clock.SleepFor(wait, context.stop)) return base::Cancelled("stop was requested");
    }
  }

  static Error GaveUp(const Error& error, int attempts) {
    if (attempts == 1) return error;
    return {error.code(), error.message() + " (gave up after " + std::to_string(attempts) + " attempts)"};
  }

  // The object, if it is what was expected.
  Result<std::optional<ObjectInfo>> IfMade(const std::string& key, const Expected& expected,
                                           const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(auto now, inner_->Stat(key, context));
    if (!now || now->size_bytes != expected.size_bytes || now->crc32c != expected.crc32c ||
        now->metadata != expected.metadata) {
      return std::optional<ObjectInfo>();
    }
    return now;
  }

  Result<std::optional<ObjectInfo>> IfComposed(const std::vector<ComposeSource>& sources, const std::string& to,
                                               const std::optional<ObjectInfo>& before, const WriteOptions& options,
                                               const CallContext& context) {
    Expected expected{.metadata = options.metadata};
    for (const ComposeSource& source : sources) {
      std::optional<ObjectInfo> info = before;
      if (source.key != to) {
        SEAMOUNT_TRY_ASSIGN(info, inner_->Stat(source.key, context));
      }
      if (!info || !info->crc32c || source.if_generation.value_or(info->generation) != info->generation) {
        return std::optional<ObjectInfo>();
      }
      expected.crc32c = base::Crc32cCombine(expected.crc32c, *info->crc32c, info->size_bytes);
      expected.size_bytes += info->size_bytes;
    }
    return IfMade(to, expected, context);
  }

  const std::shared_ptr<Store> inner_;
  const RetryOptions options_;
};

}  // namespace

std::shared_ptr<Store> MakeRetryStore(std::shared_ptr<Store> inner, const RetryOptions& options) {
  return std::make_shared<RetryStore>(std::move(inner), options);
}

}  // namespace seamount::store
