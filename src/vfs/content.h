// The bytes of a mount: reading what the bucket has, staging what is written.
//
// How it works. A file that is only read has an ObjectReader, pinned to one generation. Writing puts a StagedFile in
// its place: what was written lies in a local file, over the object's content where nothing was. The publisher brings
// it to the bucket.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "vfs/fault.h"
#include "vfs/inode.h"
#include "vfs/namespace.h"
#include "vfs/object_reader.h"
#include "vfs/options.h"
#include "vfs/recorder.h"
#include "vfs/staging.h"
#include "vfs/stats.h"
#include "vfs/walk_ahead.h"

namespace seamount::vfs {

struct OpenFile {
  InodePtr inode;
  OpenOptions options;
  bool drop_pages = false;  // what the kernel has of the file is of another content
};

// Thread-safe.
class Content {
 public:
  Content(Namespace& names, Fetcher& fetcher, StagingFolder& staging, Recorder& recorder, base::Clock& clock,
          Stats& stats)
      : names_(names),
        fetcher_(fetcher),
        staging_(staging),
        recorder_(recorder),
        stats_(stats),
        walks_(clock, names.options().attribute_ttl) {}

  // Asks the store whether the file is still the generation it was. ESTALE if it is not. (A file of a folder that is
  // being walked, never opened here before, may be as the folder's listing says; see walk_ahead.h.)
  Outcome<std::unique_ptr<OpenFile>> Open(uint64_t inode, const OpenOptions& options, const CallContext& context);
  Outcome<std::vector<Bytes>> Read(const OpenFile& file, uint64_t offset, uint64_t length, const CallContext& context);
  // append: at the file's end, whatever the offset.
  Outcome<void> Write(const OpenFile& file, uint64_t offset, std::span<const std::byte> data, bool append,
                      const CallContext& context);

  // copy_file_range, from the beginning of one file into an empty other one, and on from there: nothing is read. If the
  // other is a copy of the whole when it is uploaded, the bucket makes it. EOPNOTSUPP for all else, whereupon the
  // kernel reads and writes. Answers how much was taken.
  Outcome<uint64_t> CopyRange(const OpenFile& from, uint64_t from_offset, const OpenFile& to, uint64_t to_offset,
                              uint64_t length, const CallContext& context);

  // Called after each write, under the inode's commit lock, until the file system ends.
  void SetSendAhead(std::function<void(StagedFile&)> send) { send_ahead_ = std::move(send); }
  std::shared_ptr<ObjectReader> ReaderOf(const InodePtr& inode);
  // What a new file's content is to be written to.
  Outcome<std::shared_ptr<StagedFile>> StageNew();
  // The staged file of an inode, made if there is none. Under the inode's commit lock, as the next.
  Outcome<std::shared_ptr<StagedFile>> Stage(const InodePtr& inode, bool empty);
  Outcome<void> Resize(const InodePtr& inode, uint64_t size_bytes);

 private:
  // Makes sure that the inode is what the bucket has: by asking, by having its content, or because its folder is being
  // walked and its listing says so.
  Outcome<void> Refresh(const InodePtr& inode, bool reads_only, const CallContext& context);
  // The walk through the folder of an inode that is to be opened and only read; null where the bucket has to be asked.
  std::shared_ptr<WalkAhead> WalkOf(const InodePtr& inode);
  void FetchAhead(const InodePtr& inode, WalkAhead& walk);
  // [locked] The folder's listing counts, and tells the inode's generation.
  bool ToldByListing(const Inode& inode) const;
  // Of a file that was opened here before: whether it must be what it was, unless somebody changed it just now.
  bool Unchanged(const InodePtr& inode, WalkAhead& walk);
  // Brings the beginning of the content to the inode's reader, all of it if it is small, and answers whether it is what
  // the inode says; then nothing needs to be asked. In a walk a generation that the listing tells is believed, so that
  // what is cached of it costs no request.
  bool ReadAtOpen(const InodePtr& inode, WalkAhead& walk, const CallContext& context);

  Namespace& names_;
  Fetcher& fetcher_;
  StagingFolder& staging_;
  Recorder& recorder_;
  Stats& stats_;
  WalkHistory walks_;
  std::function<void(StagedFile&)> send_ahead_;
};

}  // namespace seamount::vfs
