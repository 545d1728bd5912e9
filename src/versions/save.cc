#include "versions/save.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "base/checksum.h"
#include "base/text.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "exec/byte_budget.h"
#include "exec/thread_pool.h"
#include "versions/folder.h"

namespace seamount::versions {
namespace {

constexpr uint64_t kMostHeld = 256 << 20;

// What a save may build on without sending it: the chunks of versions, and what was written a short time ago. Nobody
// frees these before the save is over.
struct Lasting {
  std::set<Digest> needed;
  base::SystemTime begun;
  base::Duration save_time;

  bool Has(const Digest& digest, const store::ObjectInfo& object) const {
    return begun - object.updated < save_time || needed.contains(digest);
  }
};

Result<Lasting> FindLasting(Store& store, const ServerTime& time, base::Duration save_time,
                            const CallContext& context) {
  Lasting lasting{.begun = time.taken(), .save_time = save_time};
  SEAMOUNT_TRY_ASSIGN(const auto versions, LoadVersions(store, context));
  for (const StoredVersion& version : versions) {
    for (const File& file : version.manifest.files) {
      for (const Chunk& chunk : file.chunks) lasting.needed.insert(chunk.digest);
    }
  }
  return lasting;
}

// Chunks on their way to the store, on threads of their own. The first error stops all.
class Sender {
 public:
  Sender(Store& store, const Lasting& lasting, const SaveOptions& options, const CallContext& context)
      : store_(store),
        lasting_(lasting),
        options_(options),
        forward_(context.stop, [this] { stop_.request_stop(); }),
        context_{.stop = stop_.get_token(), .deadline = context.deadline},
        held_(kMostHeld),
        pool_(std::make_unique<exec::ThreadPool>(options.connections)) {}

  ~Sender() { stop_.request_stop(); }  // what still waits is not sent
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // `place` is filled in until Finish.
  Result<void> Send(Bytes data, Chunk& place) {
    auto lease = held_.Acquire(data.size(), context_);
    if (!lease) {
      SEAMOUNT_TRY(Failure());  // why it was stopped, if it was not from outside
      return lease.error();
    }
    // std::function wants what it holds to be copyable.
    auto held = std::make_shared<exec::ByteLease>(*std::move(lease));
    pool_->Run([this, held, data = std::move(data), &place]() mutable {
      place = {DigestOf(data.span()), data.size()};
      const auto sent = Ensure(place.digest, data);
      if (sent) options_.on_bytes(data.size());
      data = {};
      held->Release();
      if (!sent) Fail(sent.error());
    });
    return Failure();
  }

  Result<void> Finish(Saved& saved) {
    pool_.reset();
    SEAMOUNT_TRY(Failure());
    SEAMOUNT_TRY(store::CheckContext(context_));
    saved.chunks = chunks_;
    saved.sent_chunks = sent_chunks_;
    saved.sent_bytes = sent_bytes_;
    return {};
  }

 private:
  // The same chunk at another place of this save is one chunk.
  bool Begin(const Digest& digest) {
    const std::scoped_lock lock(mutex_);
    return begun_.insert(digest).second;
  }

  // What is damaged at the server is sent anew.
  static bool IsWhole(const store::ObjectInfo& object, const Bytes& data) {
    return object.size_bytes == data.size() && (!object.crc32c || *object.crc32c == base::Crc32c(data.span()));
  }

  Result<void> Ensure(const Digest& digest, const Bytes& data) {
    if (!Begin(digest)) return {};
    ++chunks_;
    const std::string key = ChunkKey(digest);
    SEAMOUNT_TRY_ASSIGN(const auto there, store_.Stat(key, context_));
    if (there && lasting_.Has(digest, *there) && IsWhole(*there, data)) return {};
    // Over what may be there: its new generation is one that no removal has looked at.
    const auto written = store_.Write(key, store::BytesSource(data), {}, context_);
    if (!written) return written.error().Wrap("sending a chunk");
    ++sent_chunks_;
    sent_bytes_ += data.size();
    return {};
  }

  void Fail(const Error& error) {
    {
      const std::scoped_lock lock(mutex_);
      if (!failure_) failure_ = error;
    }
    stop_.request_stop();
  }

  Result<void> Failure() {
    const std::scoped_lock lock(mutex_);
    if (failure_) return *failure_;
    return {};
  }

  Store& store_;
  const Lasting& lasting_;
  const SaveOptions& options_;
  std::stop_source stop_;
  const std::stop_callback<std::function<void()>> forward_;
  const CallContext context_;
  exec::ByteBudget held_;
  std::mutex mutex_;
  std::set<Digest> begun_;
  std::optional<Error> failure_;
  std::atomic<uint64_t> chunks_ = 0, sent_chunks_ = 0, sent_bytes_ = 0;
  std::unique_ptr<exec::ThreadPool> pool_;  // last: its threads end before what they use
};

using TakeChunk = std::function<Result<void>(File&, Bytes)>;

Result<void> ReadFiles(const std::string& folder, Manifest& manifest, const TakeChunk& take,
                       const CallContext& context) {
  for (File& file : manifest.files) {
    SEAMOUNT_TRY(ReadChunks(
        folder, file, [&](Bytes data) { return take(file, std::move(data)); }, context));
  }
  return {};
}

Result<void> SendFiles(Store& store, const Lasting& lasting, const SaveOptions& options, Saved& saved,
                       const CallContext& context) {
  // Places that stay where they are while more come.
  std::map<const File*, std::vector<std::unique_ptr<Chunk>>> chunks;
  {
    Sender sender(store, lasting, options, context);
    const TakeChunk send = [&](File& file, Bytes data) {
      return sender.Send(std::move(data), *chunks[&file].emplace_back(std::make_unique<Chunk>()));
    };
    SEAMOUNT_TRY(ReadFiles(options.folder, saved.manifest, send, context));
    SEAMOUNT_TRY(sender.Finish(saved));
  }
  for (File& file : saved.manifest.files) {
    for (const auto& chunk : chunks[&file]) file.chunks.push_back(*chunk);
  }
  return {};
}

Error NameTaken(const StoredVersion& version) {
  return base::PreconditionFailed("version '" + version.manifest.name + "' exists, saved " + version.manifest.saved +
                                  " with another content, and versions never change: choose another name");
}

// A version of that name is there: the same again is no error, so that a save whose answer was lost can be repeated.
Result<Saved> Repeat(const StoredVersion& version, const SaveOptions& options, Saved saved,
                     const CallContext& context) {
  const TakeChunk count = [&](File& file, const Bytes& data) -> Result<void> {
    file.chunks.push_back({DigestOf(data.span()), data.size()});
    ++saved.chunks;
    options.on_bytes(data.size());
    return {};
  };
  SEAMOUNT_TRY(ReadFiles(options.folder, saved.manifest, count, context));
  if (!saved.manifest.SameContent(version.manifest)) return NameTaken(version);
  saved.manifest = version.manifest;
  saved.existed = true;
  return saved;
}

std::string Doing(const SaveOptions& options) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return "save of '" + options.name + "' by process " + std::to_string(::getpid()) + " on " + host.data();
}

Error TookTooLong(base::Duration save_time) {
  return base::Unavailable(
      "the save took longer than " + base::FormatDuration(save_time) +
      ", what it built on may have been removed meanwhile: nothing was saved; save again, it sends "
      "only what is missing");
}

Result<Saved> Publish(Store& store, const ServerTime& time, const SaveOptions& options, Saved saved,
                      const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto now, time.Now(context));
  if (now - time.taken() >= options.save_time) return TookTooLong(options.save_time);
  saved.manifest.saved = base::FormatRfc3339(now, 0);
  const auto written = store.Write(VersionKey(options.name), store::BytesSource(ManifestJson(saved.manifest)),
                                   {.if_generation = store::kAbsent, .content_type = "application/json"}, context);
  if (!written && written.error().code() == ErrorCode::kPreconditionFailed) {
    SEAMOUNT_TRY_ASSIGN(const auto other, FindVersion(store, options.name, context));
    if (!other || !saved.manifest.SameContent(other->manifest)) return other ? NameTaken(*other) : written.error();
    saved.manifest = other->manifest;
    saved.existed = true;
    return saved;
  }
  if (!written) return written.error().Wrap("writing the manifest");
  if (written->updated - time.taken() >= options.save_time) {
    SEAMOUNT_TRY(store.Delete(VersionKey(options.name), {.if_generation = written->generation}, context));
    return TookTooLong(options.save_time);
  }
  return saved;
}

}  // namespace

Result<Saved> Save(Store& store, const SaveOptions& options, const CallContext& context) {
  SEAMOUNT_TRY(CheckName(options.name));
  if (!base::IsUtf8(options.message)) return base::InvalidArgument("the message is no UTF-8 text");
  Saved saved;
  SEAMOUNT_TRY_ASSIGN(saved.manifest, ListFolder(options.folder));
  saved.manifest.name = options.name;
  saved.manifest.message = options.message;
  SEAMOUNT_TRY_ASSIGN(const auto tag, store.Stat(TagKey(options.name), context));
  if (tag) return base::InvalidArgument("'" + options.name + "' is a tag: choose another name for the version");
  SEAMOUNT_TRY_ASSIGN(const auto same_name, FindVersion(store, options.name, context));
  if (same_name) return Repeat(*same_name, options, std::move(saved), context);
  SEAMOUNT_TRY_ASSIGN(const ServerTime time, ServerTime::Take(store, Doing(options), context));
  SEAMOUNT_TRY_ASSIGN(const Lasting lasting, FindLasting(store, time, options.save_time, context));
  SEAMOUNT_TRY(SendFiles(store, lasting, options, saved, context));
  return Publish(store, time, options, std::move(saved), context);
}

}  // namespace seamount::versions
