// Names for files that are being written, so that a mount which is killed does not take them with it.
//
// How it works. Every mount has a folder of its own below "open" in its staging folder, made with its first record and
// locked for as long as the mount lives. A recorded file has a name there, and beside it a record whose name says how
// it stands: NAME.json (the bucket does not have it) or NAME.uploaded (the bucket has all of it). A record is there
// before its file and goes after it. Who opens a staging folder looks for folders that nobody holds any more, and moves
// what the bucket does not have to "kept", with its record; nothing is ever uploaded from there.
//
// Nothing is synced to the disk: what is promised survives in the bucket. After a power cut there is what the disk had.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/fd.h"
#include "vfs/staging.h"

namespace seamount::vfs {

// Thread-safe.
class Journal {
 public:
  // A recorded file. Its end takes the name and the record away. Not thread-safe.
  class Entry {
   public:
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    // The bucket has all of it now.
    void Uploaded();
    // It was written to again.
    Outcome<void> Renew(const StagedRecord& record);
    // What the file holds, the bucket does not have.
    bool waits() const { return waits_; }

   private:
    friend class Journal;
    Entry(Journal& journal, std::string name) : journal_(journal), name_(std::move(name)) {}
    Journal& journal_;
    std::string name_;
    bool waits_ = true;
  };

  // The folder must outlive it.
  explicit Journal(StagingFolder& staging) : staging_(staging) {}
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Nobody may write to the file meanwhile: where the disk cannot give it a name, its descriptor is given a copy's.
  // The journal must outlive the entry.
  Outcome<std::unique_ptr<Entry>> Record(const base::Fd& file, const StagedRecord& record);
  // Keeps what killed mounts were writing, of whatever source; the log says where.
  void TakeOver();

 private:
  Outcome<void> MakeOwnFolder();
  std::string NameFor(const std::string& key);
  void Rescue(const base::Fd& folder);
  Outcome<void> Move(const base::Fd& folder, const std::string& name, bool record);

  StagingFolder& staging_;
  std::mutex mutex_;
  base::Fd own_;  // set once, with its name
  std::string own_name_;
  std::atomic<uint64_t> count_ = 0;
};

}  // namespace seamount::vfs
