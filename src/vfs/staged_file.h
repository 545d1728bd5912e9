// A file being changed: a local file that holds what was written, over the object's content where nothing was.
//
// `present` says which ranges of the local file are real; the rest of [0, base size) is read from the base, the
// generation that was there when writing began. An upload needs all of it in one place, so what lies in gaps is fetched
// first, except when only a tail was added: then the tail alone goes up and is composed to the object.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "vfs/extents.h"
#include "vfs/journal.h"
#include "vfs/object_reader.h"
#include "vfs/part_upload.h"

namespace seamount::vfs {

// Thread-safe, except that nobody may write or truncate while an upload reads it; the file system sees to that.
class StagedFile {
 public:
  // base: the object's present content, or null for a new or emptied file.
  StagedFile(base::Fd file, std::shared_ptr<ObjectReader> base);

  uint64_t size() const;
  bool dirty() const;
  Outcome<std::vector<Bytes>> Read(uint64_t offset, uint64_t length, const CallContext& context = {}) const;
  // Atomic: all is taken, or nothing and the file is as before; but see failed().
  Outcome<void> Write(uint64_t offset, std::span<const std::byte> data);
  Outcome<void> Truncate(uint64_t size);

  // Has so much of another object's content follow what the file has of it, without reading it; false if the file has
  // anything else.
  bool TakeFrom(std::shared_ptr<ObjectReader> source, uint64_t offset, uint64_t length);
  // Whose content all of this is, and nothing but it; null if there is none.
  std::shared_ptr<ObjectReader> CopyOf() const;

  // Set by a write that found no room: the content is not what the program meant, and must never be uploaded. Only
  // emptying the file clears it.
  std::optional<Fault> failed() const;

  // For an upload: where the new tail begins, if all else is the base as it was; nothing otherwise.
  std::optional<uint64_t> AppendedFrom() const;
  // Fetches what only the base has.
  Outcome<void> FillGaps(const CallContext& context = {});
  // Of a file without a base that was written from its beginning on and nowhere else: so much; else 0. Those bytes are
  // final unless they are written again, and then the parts are dropped.
  uint64_t WrittenInOrder() const;
  // Whether all of it is in the local file; else what is missing there is the base's.
  bool Whole() const;
  // Written since it was last uploaded; what was written twice counts twice.
  uint64_t UnsavedBytes() const;
  // Its name in the journal, or null. For whoever holds the inode's commit lock, as the next.
  Journal::Entry* entry() const { return entry_.get(); }
  void SetEntry(std::unique_ptr<Journal::Entry> entry) { entry_ = std::move(entry); }
  // What of it is on its way to the bucket already, or null.
  PartUpload* parts() const { return parts_.get(); }
  void SetParts(std::unique_ptr<PartUpload> parts) { parts_ = std::move(parts); }
  std::unique_ptr<PartUpload> TakeParts() { return std::move(parts_); }
  // The content was uploaded, and `base` reads it. What is local stays, as a cache.
  void Uploaded(std::shared_ptr<ObjectReader> base);

  const base::Fd& file() const { return file_; }

 private:
  struct View {
    std::shared_ptr<ObjectReader> base;
    Extent range;
    std::vector<Extent> gaps;  // of the range, to be read from the base
  };
  Outcome<std::vector<Bytes>> ReadView(const View& view, const CallContext& context) const;
  void Disorder();
  Outcome<void> Put(uint64_t offset, std::span<const std::byte> data);

  mutable std::mutex mutex_;
  base::Fd file_;
  std::shared_ptr<ObjectReader> base_;
  uint64_t base_kept_ = 0;  // so much of the base is still part of the file
  uint64_t size_ = 0;
  ExtentSet present_;
  uint64_t unsaved_bytes_ = 0;
  bool dirty_ = false;
  bool overwrote_ = false;  // since the last upload, something below the base's end was changed
  bool copied_ = false;     // the base is another file's, from which this one was copied
  bool in_order_ = true;    // nothing but appended since it was empty
  std::optional<Fault> failed_;
  std::unique_ptr<Journal::Entry> entry_;
  std::unique_ptr<PartUpload> parts_;  // last: its tasks read the file
};

}  // namespace seamount::vfs
