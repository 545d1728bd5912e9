// What machines at Google are asked to do, as it lies in the bucket. No connection to the machine is needed: it looks
// for its job there (vm/job_run.py) and leaves there what the job says and how it ended, so the computer that asked may
// be switched off meanwhile.
//
// .seamount/jobs/NAME.json                     the job of machine NAME: one at a time
// .seamount/jobs/NAME/ID/files.tar.gz          what it finds in its folder
//                        log/00000001 …        what it says, in pieces that never change
//                        end.json              its exit code; written after the last piece
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace seamount::cloud::gce {

struct Job {
  std::string id;       // of this one, among all that machines of that name ever had
  std::string machine;  // Google's number of the one that is to run it; no other one does
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
  bool has_files = false;
  bool restarts = false;  // goes on on the next machine when this one is preempted

  bool operator==(const Job&) const = default;
};

std::string EncodeJob(const Job& job);
// DataLoss says what is wrong with the text; `key` is the object's.
Result<Job> DecodeJob(std::string_view text, const std::string& key);

struct KeptJob {
  Job job;
  store::Generation generation;
};

struct JobProgress {
  std::string text;              // what it has said since
  uint64_t pieces = 0;           // how many are known now
  std::optional<int> exit_code;  // once it has ended; then `text` is the last
};

// Thread-safe, as the store is.
class Jobs {
 public:
  explicit Jobs(std::shared_ptr<Store> bucket) : bucket_(std::move(bucket)) {}
  static std::string KeyOf(const std::string& machine) { return kFolder + machine + ".json"; }
  // A new one's id: the time, so that they sort, and a random end.
  static std::string NewId(base::SystemTime now);

  Result<std::optional<KeptJob>> Find(const std::string& machine, const CallContext& context) const;
  // Before Write, of a job that has files.
  Result<void> WriteFiles(const std::string& machine, const std::string& id, const store::ByteSource& archive,
                          const CallContext& context) const;
  // Durable when it returns. `replaced` as of Records::Write.
  Result<KeptJob> Write(const std::string& machine, const Job& job, const store::Generation& replaced,
                        const CallContext& context) const;
  // What came after so many pieces; a few MiB at a time.
  Result<JobProgress> Read(const std::string& machine, const std::string& id, uint64_t pieces,
                           const CallContext& context) const;
  Result<bool> HasEnded(const std::string& machine, const std::string& id, const CallContext& context) const;
  // Takes the files away, which an ended job does not need.
  Result<void> RemoveFiles(const std::string& machine, const std::string& id, const CallContext& context) const;

 private:
  static inline const std::string kFolder = ".seamount/jobs/";
  static std::string FolderOf(const std::string& machine, const std::string& id) {
    return kFolder + machine + "/" + id + "/";
  }
  std::shared_ptr<Store> bucket_;
};

}  // namespace seamount::cloud::gce
