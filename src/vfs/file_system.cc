#include "vfs/file_system.h"

#include <cerrno>

namespace seamount::vfs {
namespace {

Error NoStaging(const Fault& fault) {
  const std::string message = fault.message + " (written bytes wait there for their upload: choose a folder with room)";
  if (fault.error == ENOSPC || fault.error == EDQUOT) return base::ResourceExhausted(message);
  if (fault.error == EACCES || fault.error == EPERM || fault.error == EROFS) return base::PermissionDenied(message);
  return base::InvalidArgument(message);
}

}  // namespace

FileSystem::FileSystem(std::shared_ptr<Store> store, const FileSystemOptions& options)
    : clock_(options.clock != nullptr ? *options.clock : base::RealClock()),
      store_(std::make_shared<ListAhead>(std::move(store), clock_, options.attribute_ttl)),
      fetcher_(std::make_unique<Fetcher>(
          store_,
          Fetcher::Options{.memory_bytes = options.memory_bytes, .threads = options.threads, .clock = options.clock},
          &stats_)),
      staging_(options.staging_dir),
      journal_(staging_),
      names_(*store_, options, clock_),
      recorder_(names_, journal_, options.record_after),
      content_(names_, *fetcher_, staging_, recorder_, clock_, stats_),
      publisher_(names_, content_, *fetcher_, staging_, recorder_, clock_, stats_) {
  content_.SetSendAhead([this](StagedFile& staged) { publisher_.SendAhead(staged); });
}

FileSystem::~FileSystem() {
  // What is still under way needs the publisher's threads.
  std::vector<InodePtr> all;
  {
    std::scoped_lock lock(names_.mutex());
    all = names_.tree().All();
  }
  for (const InodePtr& inode : all) {
    if (inode->staged != nullptr) inode->staged->TakeParts();
  }
}

Result<std::unique_ptr<FileSystem>> FileSystem::Open(std::shared_ptr<Store> store, const FileSystemOptions& options) {
  std::unique_ptr<FileSystem> fs(new FileSystem(std::move(store), options));
  if (!options.read_only) {
    if (auto ready = fs->staging_.Prepare(); !ready) return NoStaging(ready.error());
    fs->journal_.TakeOver();
    fs->publisher_.SweepReserved();
  }
  return fs;
}

Outcome<std::unique_ptr<OpenFile>> FileSystem::OpenExisting(uint64_t inode, const OpenOptions& options,
                                                            const CallContext& context) {
  if (options.write || options.truncate) SEAMOUNT_TRY(publisher_.CheckWritable());
  return content_.Open(inode, options, context);
}

bool FileSystem::Settled(const OpenFile& file) {
  std::scoped_lock lock(names_.mutex());
  const Inode& inode = *file.inode;
  return inode.staged == nullptr && !inode.kept_dirty && inode.parked_key.empty();
}

std::optional<uint64_t> FileSystem::StagingRoom() const {
  if (names_.options().read_only) return std::nullopt;
  return staging_.Room();
}

uint64_t FileSystem::memory_peak_bytes() const { return fetcher_->budget().peak(); }

}  // namespace seamount::vfs
