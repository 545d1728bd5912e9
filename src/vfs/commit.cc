// Making what was written durable in the bucket.
//
// An upload is conditional on the generation that writing began from (or on there being no object), so two writers
// cannot silently destroy each other's work: the second one's fsync or close says EIO, its content gets a name in the
// staging folder, and the log says where.
//
// Where only a tail was added to an object of some size, the tail alone is uploaded under a reserved name and the store
// composes the two on its side: appending to a log costs what was appended.
#include <cerrno>

#include "base/log.h"
#include "store/byte_source.h"
#include "vfs/file_system.h"
#include "vfs/names.h"

namespace seamount::vfs {
namespace {

// A tail costs three calls (upload, compose, delete) instead of one. Below this size the whole upload is cheaper.
constexpr uint64_t kComposeAbove = 1 << 20;

}  // namespace

std::string FileSystem::ReservedKey() {
  return std::string(kReservedPrefix) + std::to_string(session_) + "-" + std::to_string(reserved_count_++);
}

Outcome<void> FileSystem::CommitInode(const InodePtr& inode) {
  std::shared_ptr<StagedFile> staged;
  std::string key;
  bool gone = false;
  {
    std::scoped_lock lock(mutex_);
    if (inode->unlinked || !inode->dirty()) return {};
    staged = inode->staged;
    gone = inode->gone;
    key = gone ? inode->info.key : InodeTree::KeyOf(*inode);
  }
  const bool content = staged != nullptr && staged->dirty();
  Outcome<void> uploaded =
      gone ? Outcome<void>(Fault{ESTALE, "'" + key + "' was removed or replaced by somebody else since it was opened"})
      : content ? UploadContent(inode, key, *staged)
                : UploadAttributes(inode, key);
  if (uploaded) {
    ++stats_.uploads;
    return {};
  }
  ++stats_.failed_uploads;
  const Fault fault = uploaded.error();
  {
    std::scoped_lock lock(mutex_);
    inode->upload_fault = fault;
  }
  // Nobody can win this race any more, so what was written is made safe at once.
  if (content && fault.error == ESTALE) Abandon(inode, fault);
  const bool told = fault.error == ENOSPC || fault.error == EACCES;
  return Fault{told ? fault.error : EIO, "uploading '" + key + "': " + fault.message};
}

Outcome<void> FileSystem::UploadContent(const InodePtr& inode, const std::string& key, StagedFile& staged) {
  if (auto failed = staged.failed()) return *failed;
  store::ObjectInfo before;
  store::WriteOptions options;
  {
    std::scoped_lock lock(mutex_);
    before = inode->info;
    options.metadata = before.metadata;
    PutMetadata(inode->kept, options.metadata);
    options.metadata.erase(kMadeByKey);  // content has a checksum
  }
  options.if_generation = before.generation;
  if (!before.content_type.empty()) options.content_type = before.content_type;

  const auto tail = staged.AppendedFrom();
  Result<store::ObjectInfo> result = base::Internal("not uploaded");
  if (tail && *tail >= kComposeAbove) {
    result = UploadTail(key, staged, *tail, options, before.generation);
  } else {
    SEAMOUNT_TRY(staged.FillGaps());
    result = store_.Write(key, store::FileSource(staged.file().get(), 0, staged.size()), options, {});
    if (result) stats_.uploaded_bytes += staged.size();
  }
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo after, std::move(result));
  after.key = key;
  if (after.metadata.empty()) after.metadata = options.metadata;

  std::shared_ptr<ObjectReader> old_reader;
  {
    std::scoped_lock lock(mutex_);
    old_reader = std::move(inode->reader);
    SetInfo(*inode, after);
    inode->checked = Now();
    if (inode->parent != nullptr) Changed(*inode->parent, inode->name);
    inode->reader = std::make_shared<ObjectReader>(fetcher_.get(), after);
    staged.Uploaded(inode->reader);
  }
  if (old_reader != nullptr) old_reader->Close();
  return {};
}

Result<store::ObjectInfo> FileSystem::UploadTail(const std::string& key, const StagedFile& staged, uint64_t from,
                                                 const store::WriteOptions& options, store::Generation generation) {
  const std::string tail_key = ReservedKey();
  const store::FileSource source(staged.file().get(), from, staged.size() - from);
  SEAMOUNT_TRY_ASSIGN(const store::ObjectInfo tail,
                      store_.Write(tail_key, source, {.if_generation = store::kAbsent}, {}));
  auto composed = store_.Compose({{key, generation}, {tail_key, tail.generation}}, key, options, {});
  if (composed) stats_.uploaded_bytes += source.size();
  // Left behind if this fails; a later mount's sweep takes it.
  (void)store_.Delete(tail_key, {}, {});
  return composed;
}

Outcome<void> FileSystem::UploadAttributes(const InodePtr& inode, const std::string& key) {
  store::ObjectInfo before;
  KeptAttributes kept;
  {
    std::scoped_lock lock(mutex_);
    before = inode->info;
    kept = inode->kept;
  }
  Metadata metadata;
  const auto write = [&] {
    metadata = before.metadata;
    PutMetadata(kept, metadata);
    if (before.generation == store::kAbsent) {  // a folder without a marker
      return store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent, .metadata = metadata},
                          {});
    }
    const store::CopyOptions options{
        .if_generation = before.generation, .if_source_generation = before.generation, .metadata = metadata};
    return store_.Copy(key, key, options, {});
  };
  Result<store::ObjectInfo> written = write();
  const bool lost = !written && (written.error().code() == ErrorCode::kPreconditionFailed ||
                                 written.error().code() == ErrorCode::kNotFound);
  if (lost && inode->kind == Kind::kDirectory) {  // a marker has no content that the change could be meant for
    SEAMOUNT_VFS_ASSIGN(auto now, store_.Stat(key, {}));
    before = std::move(now).value_or(store::ObjectInfo());
    written = write();
  } else if (lost) {
    return Fault{ESTALE, "'" + key + "' was removed or replaced by somebody else"};
  }
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo after, std::move(written));
  after.key = key;
  if (after.metadata.empty()) after.metadata = metadata;
  std::scoped_lock lock(mutex_);
  SetInfo(*inode, after);
  inode->checked = Now();
  if (inode->parent != nullptr) Changed(*inode->parent, inode->name);
  if (inode->reader != nullptr) inode->reader->Retarget(key, after.generation);
  return {};
}

// Gives a name to what could not be uploaded, and says where it is: nobody else can tell the person.
void FileSystem::Abandon(const InodePtr& inode, const Fault& why) {
  std::shared_ptr<StagedFile> staged;
  std::string key;
  {
    std::scoped_lock lock(mutex_);
    if (inode->saved) return;
    staged = inode->staged;
    key = inode->gone ? inode->info.key : InodeTree::KeyOf(*inode);
    if (key.empty()) key = inode->name;
  }
  const std::string what = "'" + key + "' was written to but not uploaded (" + why.message + ")";
  if (staged == nullptr || !staged->dirty()) {
    base::Log(base::LogLevel::kError, what + "; only its attributes had changed");
    return;
  }
  if (staged->failed()) {
    base::Log(base::LogLevel::kError, what + "; the object is as it was");
    return;
  }
  const auto kept = staging_.Keep(staged->file(), key);
  if (!kept) {
    base::Log(base::LogLevel::kError, what + "; keeping its content failed too: " + kept.error().message);
    return;
  }
  const bool whole = !staged->AppendedFrom();
  base::Log(base::LogLevel::kError, what + "; the object is as it was, and what was written is kept in '" + *kept +
                                        "'" + (whole ? "" : " (ranges that were not written are zeros there)"));
  std::scoped_lock lock(mutex_);
  inode->saved = true;
}

Outcome<void> FileSystem::CommitAll() {
  std::vector<InodePtr> all;
  {
    std::scoped_lock lock(mutex_);
    all = tree_.All();
  }
  Outcome<void> first;
  for (const InodePtr& inode : all) {
    std::shared_lock layout(layout_);
    std::scoped_lock commit(inode->commit);
    auto committed = CommitInode(inode);
    if (committed) continue;
    Abandon(inode, committed.error());
    if (first) first = std::move(committed);
  }
  return first;
}

}  // namespace seamount::vfs
