#include "store/retry/retry_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <random>

#include "base/encoding.h"
#include "base/log.h"
#include "base/text.h"

namespace seamount::store {
namespace {

using base::ErrorCode;
using base::ErrorDetail;

// A bit that flipped on the way is right the next time; one that is wrong a third time is wrong in the store.
constexpr int kMostDamagedReads = 3;

std::string NewNonce() {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  const std::array<uint64_t, 2> words = {random(), random()};
  return base::HexEncode(std::as_bytes(std::span(words)));
}

// Whether a failure may have been the first try's own doing.
bool MayBeOwnDoing(const Error& error) {
  return error.code() == ErrorCode::kPreconditionFailed || error.code() == ErrorCode::kNotFound;
}

void HideNonce(ObjectInfo& info) { info.metadata.erase(std::string(kNonceKey)); }
void HideNonce(std::optional<ObjectInfo>& info) {
  if (info) HideNonce(*info);
}
void HideNonce(std::optional<ReadResult>& read) {
  if (read) HideNonce(read->info);
}
void HideNonce(ListPage& page) {
  for (ObjectInfo& object : page.objects) HideNonce(object);
}
void HideNonce(bool) {}

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
    if (!options.if_generation) {
      return Idempotent<ObjectInfo>(context, [&] { return inner_->Write(key, source, options, context); });
    }
    WriteOptions marked = options;
    return Marked(key, marked.metadata, context, [&] { return inner_->Write(key, source, marked, context); });
  }

  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    bool in_doubt = false;
    return Retried<bool>(
        context,
        [&] {
          auto deleted = inner_->Delete(key, options, context);
          if (deleted && !*deleted && in_doubt) return Result<bool>(true);
          in_doubt = in_doubt || (!deleted && deleted.error().detail() == ErrorDetail::kNone);
          return deleted;
        },
        [&]() -> Result<std::optional<bool>> {
          SEAMOUNT_TRY_ASSIGN(const auto now, inner_->Stat(key, context));
          return now ? std::optional<bool>() : std::optional<bool>(true);
        });
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    const bool guarded = options.if_generation || (from == to && options.if_source_generation);
    if (!guarded) return Idempotent<ObjectInfo>(context, [&] { return inner_->Copy(from, to, options, context); });
    CopyOptions marked = options;
    if (!marked.metadata) {
      SEAMOUNT_TRY_ASSIGN(const auto source, Stat(from, context));
      if (!source) return base::NotFound("copying '" + from + "': no such object");
      SEAMOUNT_TRY(CheckGeneration(from, source->generation, options.if_source_generation));
      marked.metadata = source->metadata;
      marked.if_source_generation = source->generation;
    }
    return Marked(to, *marked.metadata, context, [&] { return inner_->Copy(from, to, marked, context); });
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
    WriteOptions marked = options;
    const auto compose = [&] { return inner_->Compose(sources, to, marked, context); };
    if (guarded) return Marked(to, marked.metadata, context, compose);
    if (!overwrites_source) return Idempotent<ObjectInfo>(context, compose);
    return Retried<ObjectInfo>(context, compose, Nothing<ObjectInfo>, Unless::kInDoubt);
  }

  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override {
    MoveOptions known = options;
    if (!known.source) {
      SEAMOUNT_TRY_ASSIGN(known.source, Stat(from, context));
      if (!known.source) return base::NotFound("moving '" + from + "': no such object");
    }
    return Retried<ObjectInfo>(
        context, [&] { return inner_->Move(from, to, known, context); },
        [&] { return IfMoved(from, to, *known.source, context); });
  }

  // The same changes a second time change nothing.
  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override {
    return Idempotent<ObjectInfo>(context, [&] { return inner_->Patch(key, changes, options, context); });
  }

  Capabilities capabilities() const override { return inner_->capabilities(); }

 private:
  enum class Unless { kNever, kInDoubt };

  template <class T>
  static Result<std::optional<T>> Nothing() {
    return std::optional<T>();
  }

  template <class T, class Call>
  Result<T> Idempotent(const CallContext& context, const Call& call) {
    return Retried<T>(context, call, Nothing<T>);
  }

  // A call that writes `key` with this metadata, to which the nonce is added.
  template <class Call>
  Result<ObjectInfo> Marked(const std::string& key, std::map<std::string, std::string>& metadata,
                            const CallContext& context, const Call& call) {
    const std::string name(kNonceKey);
    const std::string nonce = NewNonce();
    metadata.insert_or_assign(name, nonce);
    return Retried<ObjectInfo>(context, call, [&]() -> Result<std::optional<ObjectInfo>> {
      SEAMOUNT_TRY_ASSIGN(auto now, inner_->Stat(key, context));
      const bool mine = now && now->metadata.contains(name) && now->metadata.at(name) == nonce;
      return mine ? std::move(now) : std::optional<ObjectInfo>();
    });
  }

  Result<std::optional<ObjectInfo>> IfMoved(const std::string& from, const std::string& to, const ObjectInfo& source,
                                            const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(const auto left, inner_->Stat(from, context));
    if (left && left->generation == source.generation) return std::optional<ObjectInfo>();
    SEAMOUNT_TRY_ASSIGN(auto now, inner_->Stat(to, context));
    HideNonce(now);
    ObjectInfo expected = source;
    HideNonce(expected);
    const bool same = now && now->size_bytes == expected.size_bytes && now->crc32c == expected.crc32c &&
                      now->metadata == expected.metadata;
    return same ? std::move(now) : std::optional<ObjectInfo>();
  }

  // recognise: called when a retry met an answer that an earlier attempt's own success may have caused; the value when
  // it had succeeded after all.
  template <class T, class Call, class Recognise>
  Result<T> Retried(const CallContext& context, const Call& call, const Recognise& recognise,
                    Unless unless = Unless::kNever) {
    base::Clock& clock = *options_.clock;
    std::optional<base::SteadyTime> failing_since;
    std::optional<Backoff> backoff;  // seeding it costs a microsecond or two, which most calls need not pay
    bool in_doubt = false;
    for (int attempt = 1;; ++attempt) {
      Result<T> result = call();
      if (result || result.error().detail() != ErrorDetail::kNeverConnected) contacted_ = true;
      if (!result && in_doubt && MayBeOwnDoing(result.error())) {
        Result<std::optional<T>> made = recognise();
        if (made && *made) {
          result = **std::move(made);
        } else if (!made && made.error().code() == ErrorCode::kUnavailable) {
          result = made.error();  // ask again after a wait
        }
      }
      if (result) HideNonce(*result);
      if (result || result.error().code() != ErrorCode::kUnavailable) return result;
      in_doubt = in_doubt || result.error().detail() == ErrorDetail::kNone;
      if (in_doubt && unless == Unless::kInDoubt) return result;
      const base::SteadyTime now = clock.Now();
      if (!failing_since) failing_since = now;
      const base::Duration left = LastTry(*failing_since, context.deadline) - now;
      if (left <= base::Duration(0)) return GaveUp(result.error(), attempt);
      if (!backoff) backoff.emplace(options_.backoff);
      const base::Duration wait = std::min(backoff->Next(), left);
      if (base::LogEnabled(base::LogLevel::kInfo)) {
        base::Log(base::LogLevel::kInfo,
                  "trying again in " + base::FormatDuration(wait) + ": " + result.error().message());
      }
      if (!clock.SleepFor(wait, context.stop)) return base::Cancelled("stop was requested");
    }
  }

  // When to try for the last time: at the end of the budget, or so long before the caller's deadline that there is time
  // left for the try.
  base::SteadyTime LastTry(base::SteadyTime failing_since, base::SteadyTime deadline) const {
    base::Duration budget = contacted_ ? options_.budget : std::min(options_.budget, options_.first_contact);
    constexpr int kOfTheTimeLeft = 10;
    if (deadline != base::SteadyTime::max()) {
      const base::Duration whole = deadline - failing_since;
      budget = std::min(budget, whole - whole / kOfTheTimeLeft);
    }
    return failing_since + budget;
  }

  Error GaveUp(const Error& error, int attempts) const {
    std::string message = error.message();
    if (attempts > 1) message += " (gave up after " + std::to_string(attempts) + " attempts)";
    if (!contacted_) message += ": is the address right, and the server running?";
    return {error.code(), std::move(message), error.detail()};
  }

  const std::shared_ptr<Store> inner_;
  const RetryOptions options_;
  std::atomic<bool> contacted_ = false;
};

}  // namespace

std::shared_ptr<Store> MakeRetryStore(std::shared_ptr<Store> inner, const RetryOptions& options) {
  return std::make_shared<RetryStore>(std::move(inner), options);
}

}  // namespace seamount::store
