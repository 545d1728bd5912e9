// What is known on this side about each machine: one directory under /run/seamount/vm, which holds
//   lock        locked by the machine's init for as long as it lives, so that no process id is ever mistaken
//   state.json  written before the machine does anything
//   disk/       where its disk is mounted, in its own mount namespace only
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "cloud/cloud.h"

namespace seamount::cloud::local {

struct MachineRecord {
  MachineInfo info;
  pid_t init_pid = 0;         // as seen from this side
  int slot = 0;               // which of the private networks it has; 0: none
  std::string control_group;  // its directory; empty without a limit of memory
};

class StateDirectory {
 public:
  // Makes the directory, mode 0700, if it is not there.
  static Result<StateDirectory> Open(const std::string& path);

  // Held while a machine is made or taken away: no two at once. Cancelled when stopped while waiting for it.
  Result<base::Fd> LockAll(const CallContext& context) const;
  // Makes the machine's directory and returns its lock, held; what it said of a dead machine is gone.
  // PreconditionFailed when a live machine holds it.
  Result<base::Fd> Claim(const std::string& name) const;
  // The records of all machines, live and dead, by name.
  Result<std::vector<MachineRecord>> List() const;
  // NotFound when there is none; its state says whether it lives.
  Result<MachineRecord> Find(const std::string& name) const;
  Result<void> Save(const MachineRecord& record) const;
  Result<void> Remove(const std::string& name) const;

 private:
  explicit StateDirectory(std::string path) : path_(std::move(path)) {}
  Result<MachineRecord> Load(const std::string& name) const;
  bool IsAlive(const std::string& name) const;
  std::string path_;
};

}  // namespace seamount::cloud::local
