// Making what was written durable in the bucket.
//
// An upload is conditional on the generation that writing began from (or on there being no object), so two writers
// cannot silently destroy each other's work: the second one's fsync or close says EIO, its content gets a name in the
// staging folder, and the log says where.
//
// Where only a tail was added to an object of some size, the tail alone is uploaded under a reserved name and the store
// composes the two on its side: appending to a log costs what was appended. A file that is nothing but a copy of
// another is copied there too.
#include <cerrno>

#include "base/log.h"
#include "store/byte_source.h"
#include "vfs/content_type.h"
#include "vfs/names.h"
#include "vfs/part_upload.h"
#include "vfs/publisher.h"

namespace seamount::vfs {
namespace {

// A tail costs two round trips, as the whole file does, which has to be read first. Below this size the requests weigh
// more than the bytes.
constexpr uint64_t kComposeAbove = 64 << 10;

}  // namespace

Outcome<void> Publisher::CommitInode(const InodePtr& inode, const CallContext& context) {
  std::shared_ptr<StagedFile> staged;
  std::string key;
  bool gone = false;
  {
    std::scoped_lock lock(names_.mutex());
    if (inode->unlinked || !inode->dirty()) return {};
    staged = inode->staged;
    gone = inode->gone;
    key = gone ? inode->info.key : InodeTree::KeyOf(*inode);
  }
  const bool content = staged != nullptr && staged->dirty();
  Outcome<void> uploaded =
      gone ? Outcome<void>(Fault{ESTALE, "'" + key + "' was removed or replaced by somebody else since it was opened"})
      : content ? UploadContent(inode, key, *staged, context)
                : UploadAttributes(inode, key, context);
  if (uploaded) {
    ++stats_.uploads;
    return {};
  }
  const Fault fault = uploaded.error();
  // Whoever waited may be gone, and a later attempt may be long in coming.
  if (content) recorder_.Record(inode, *staged);
  // Interrupted: nothing is wrong with it, and it goes up later.
  if (fault.error == EINTR) return Fault{EINTR, "uploading '" + key + "': " + fault.message};
  ++stats_.failed_uploads;
  {
    std::scoped_lock lock(names_.mutex());
    inode->upload_fault = fault;
  }
  // Nobody can win this race any more, so what was written is made safe at once.
  if (content && fault.error == ESTALE) Abandon(inode, fault);
  const bool told = fault.error == ENOSPC || fault.error == EACCES;
  return Fault{told ? fault.error : EIO, "uploading '" + key + "': " + fault.message};
}

Outcome<void> Publisher::UploadContent(const InodePtr& inode, const std::string& key, StagedFile& staged,
                                       const CallContext& context) {
  if (auto failed = staged.failed()) return *failed;
  store::ObjectInfo before;
  store::WriteOptions options;
  {
    std::scoped_lock lock(names_.mutex());
    before = inode->info;
    options.metadata = before.metadata;
    PutMetadata(inode->kept, options.metadata);
  }
  options.if_generation = before.generation;
  options.headers = before.headers;
  options.headers.content_encoding.clear();  // was said of the old bytes
  const bool typed = !before.content_type.empty() && before.content_type != store::WriteOptions().content_type;
  options.content_type = typed ? before.content_type : std::string(ContentTypeOf(key));

  const auto tail = staged.AppendedFrom();
  Result<store::ObjectInfo> result = base::Internal("not uploaded");
  const std::shared_ptr<ObjectReader> source = staged.CopyOf();
  if (source != nullptr && store_.capabilities().copy) result = CopyContent(key, *source, options, context);
  const bool over = result || result.error().code() == ErrorCode::kCancelled;
  if (!over && tail && *tail >= kComposeAbove && store_.capabilities().compose) {
    result = UploadTail(key, staged, *tail, options, before.generation, context);
  } else if (!over) {
    SEAMOUNT_TRY(staged.FillGaps(context));
    result = UploadWhole(key, staged, options, context);
    if (result) stats_.uploaded_bytes += staged.size();
  }
  SEAMOUNT_VFS_CHANGE(store::ObjectInfo after, std::move(result));
  after.key = key;
  if (after.metadata.empty()) after.metadata = options.metadata;

  std::shared_ptr<ObjectReader> old_reader;
  {
    std::scoped_lock lock(names_.mutex());
    old_reader = std::move(inode->reader);
    names_.Written(*inode, after);
    inode->reader = std::make_shared<ObjectReader>(&fetcher_, after);
    staged.Uploaded(inode->reader);
  }
  if (old_reader != nullptr) old_reader->Close();
  if (staged.entry() != nullptr) staged.entry()->Uploaded();
  return {};
}

Result<store::ObjectInfo> Publisher::CopyContent(const std::string& key, const ObjectReader& source,
                                                 const store::WriteOptions& options, const CallContext& context) {
  const store::ComposeSource from = source.Where();
  return store_.Copy(from.key, key,
                     {.if_generation = options.if_generation,
                      .if_source_generation = from.if_generation,
                      .metadata = options.metadata},
                     context);
}

Result<store::ObjectInfo> Publisher::UploadWhole(const std::string& key, StagedFile& staged,
                                                 const store::WriteOptions& options, const CallContext& context) {
  auto parts = staged.TakeParts();
  if (parts == nullptr && staged.size() >= PartUpload::kWorthFrom && store_.capabilities().compose) {
    parts = std::make_unique<PartUpload>(store_, uploads_, reserved_, staged.file().get());
  }
  if (parts != nullptr) {
    auto composed = parts->Finish(key, staged.size(), options, context);
    // Parts may be lost (to another mount's sweep, when writing took days); the staged file has all of it.
    if (composed || composed.error().code() != ErrorCode::kNotFound) return composed;
  }
  return store_.Write(key, store::FileSource(staged.file().get(), 0, staged.size()), options, context);
}

void Publisher::SendAhead(StagedFile& staged) {
  if (staged.WrittenInOrder() < PartUpload::kWorthFrom || !store_.capabilities().compose) return;
  if (staged.parts() == nullptr) {
    staged.SetParts(std::make_unique<PartUpload>(store_, uploads_, reserved_, staged.file().get()));
  }
  staged.parts()->Offer(staged.WrittenInOrder());
}

Result<store::ObjectInfo> Publisher::UploadTail(const std::string& key, const StagedFile& staged, uint64_t from,
                                                const store::WriteOptions& options, store::Generation generation,
                                                const CallContext& context) {
  const std::string tail_key = reserved_.Next();
  const store::FileSource source(staged.file().get(), from, staged.size() - from);
  SEAMOUNT_TRY_ASSIGN(const store::ObjectInfo tail,
                      store_.Write(tail_key, source, {.if_generation = store::kAbsent}, context));
  auto composed = store_.Compose({{key, generation}, {tail_key, tail.generation}}, key, options, context);
  if (composed) stats_.uploaded_bytes += source.size();
  // Nobody waits for this. Left behind if it fails; a later mount's sweep takes it.
  pool_.Run([this, tail_key] { (void)store_.Delete(tail_key, {}, {}); });
  return composed;
}

// As a patch, which leaves the content its generation: who reads or writes it elsewhere does not notice. A store
// without patches gets a copy onto itself.
Result<store::ObjectInfo> Publisher::WriteAttributes(const std::string& key, const store::ObjectInfo& before,
                                                     const KeptAttributes& kept, const CallContext& context) {
  Metadata metadata = before.metadata;
  PutMetadata(kept, metadata);
  Result<store::ObjectInfo> written = base::Internal("not written");
  if (before.generation == store::kAbsent) {  // a folder without a marker
    written = store_.Write(key, store::BytesSource(Bytes()), {.if_generation = store::kAbsent, .metadata = metadata},
                           context);
  } else if (store_.capabilities().patch) {
    store::AttributeChanges changes;
    for (const auto& [name, value] : metadata) {
      const auto was = before.metadata.find(name);
      if (was == before.metadata.end() || was->second != value) changes.metadata.emplace(name, value);
    }
    written = store_.Patch(key, changes, {.if_generation = before.generation}, context);
  } else {
    written = store_.Copy(
        key, key, {.if_generation = before.generation, .if_source_generation = before.generation, .metadata = metadata},
        context);
  }
  if (written) {
    written->key = key;
    if (written->metadata.empty()) written->metadata = std::move(metadata);
  }
  return written;
}

Outcome<void> Publisher::UploadAttributes(const InodePtr& inode, const std::string& key, const CallContext& context) {
  store::ObjectInfo before;
  KeptAttributes kept;
  {
    std::scoped_lock lock(names_.mutex());
    before = inode->info;
    kept = inode->kept;
  }
  auto written = WriteAttributes(key, before, kept, context);
  const bool lost = !written && (written.error().code() == ErrorCode::kPreconditionFailed ||
                                 written.error().code() == ErrorCode::kNotFound);
  if (lost && inode->kind == Kind::kDirectory) {  // a marker has no content that the change could be meant for
    SEAMOUNT_VFS_ASSIGN(auto now, store_.Stat(key, context));
    written = WriteAttributes(key, std::move(now).value_or(store::ObjectInfo()), kept, context);
  } else if (lost) {
    return Fault{ESTALE, "'" + key + "' was removed or replaced by somebody else"};
  }
  SEAMOUNT_VFS_CHANGE(const store::ObjectInfo after, std::move(written));
  std::scoped_lock lock(names_.mutex());
  names_.Written(*inode, after);
  if (inode->reader != nullptr) inode->reader->Retarget(key, after.generation);
  return {};
}

// The empty object would pass for the file, and would keep others from making it.
void Publisher::GiveUp(const InodePtr& inode, const Fault& why) {
  std::string key;
  {
    std::scoped_lock lock(names_.mutex());
    const bool content = inode->staged != nullptr && inode->staged->dirty();
    const bool claimed = inode->claimed != store::kAbsent && inode->claimed == inode->info.generation;
    if (content && claimed && !inode->gone && !inode->unlinked) key = InodeTree::KeyOf(*inode);
  }
  // Where this fails too, it stays: nothing tells it from a file that is meant to be empty.
  if (!key.empty() && store_.Delete(key, {.if_generation = inode->claimed}, {})) {
    std::scoped_lock lock(names_.mutex());
    inode->info.generation = store::kAbsent;
    if (inode->parent != nullptr) names_.Changed(*inode->parent, inode->name);
  }
  Abandon(inode, why);
}

// Gives a name to what could not be uploaded, and says where it is: nobody else can tell the person.
void Publisher::Abandon(const InodePtr& inode, const Fault& why) {
  std::shared_ptr<StagedFile> staged;
  std::string key;
  {
    std::scoped_lock lock(names_.mutex());
    if (inode->saved) return;
    staged = inode->staged;
    key = inode->gone ? inode->info.key : InodeTree::KeyOf(*inode);
    if (key.empty()) key = inode->name;
  }
  const std::string what = "'" + key + "' was written to but not uploaded (" + why.message + ")";
  const std::string object =
      inode->info.generation == store::kAbsent ? "there is no object" : "the object is as it was";
  if (staged == nullptr || !staged->dirty()) {
    base::Log(base::LogLevel::kError, what + "; only its attributes had changed");
    return;
  }
  if (staged->failed()) {
    base::Log(base::LogLevel::kError, what + "; " + object);
    return;
  }
  const bool whole = staged->Whole();
  const auto kept = staging_.Keep(staged->file(), {.source = names_.options().source,
                                                   .key = key,
                                                   .base_generation = inode->info.generation.text(),
                                                   .size_bytes = staged->size(),
                                                   .whole = whole,
                                                   .reason = why.message});
  if (!kept) {
    base::Log(base::LogLevel::kError, what + "; keeping its content failed too: " + kept.error().message);
    return;
  }
  base::Log(base::LogLevel::kError, what + "; " + object + ", and what was written is kept in '" + *kept + "'" +
                                        (whole ? "" : " (ranges that were not written are zeros there)"));
  staged->SetEntry(nullptr);
  std::scoped_lock lock(names_.mutex());
  inode->saved = true;
}

}  // namespace seamount::vfs
