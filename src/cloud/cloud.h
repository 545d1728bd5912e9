// Cloud: somewhere that machines can be had from for an hour and that keeps nothing of them afterwards.
//
// Contract, checked for every driver by cloud/testing/conformance.h:
// - A machine is known by its name: 1..30 characters, a lower-case letter first, then those, digits and '-'. Another
//   name is InvalidArgument.
// - Start returns when commands can run; starting a name that runs is PreconditionFailed. What was left of a machine
//   that died is taken away first, so a name can be used again after a crash. Stopped by CallContext.stop, it is
//   Cancelled and leaves nothing.
// - No machine is for ever: when its lifetime is over it ends by itself, as by Stop, whoever has forgotten it.
// - Run blocks until the command has ended and returns its exit code (128 + signal when a signal ended it). A machine
//   that is killed meanwhile ends it with 137. CallContext.stop sends it SIGTERM.
// - Stop lets processes end (SIGTERM, then a grace period); Kill is what a preemption does: SIGKILL to everything at
//   once. After either nothing of the machine is left, and both are NotFound when there is no such machine. Of a
//   machine that has died already, they take away what is left.
// - Nothing that a machine wrote to its own disk is seen by a later machine of the same name.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::cloud {

// A file or directory of this machine that the new one sees, read-only: its "image".
struct Share {
  std::string from;
  std::string to;  // absolute
};

struct MachineSpec {
  std::string name;
  // The one address that the machine can reach, as ADDRESS:PORT. Empty: no network.
  std::string server;
  std::vector<Share> shares;
  // Of its disk, which lies in memory.
  uint64_t disk_bytes = 2ULL << 30;
  // Of all that its processes and its disk take; 0: as much as there is. PreconditionFailed where it cannot be limited.
  uint64_t memory_bytes = 0;
  // A day: longer than a training run on one machine, shorter than a holiday.
  std::chrono::seconds lifetime = std::chrono::hours(24);
};

enum class MachineState {
  kStarting,
  kRunning,
  kDead,  // it crashed, or its lifetime was over; Stop or Kill takes away what is left
};

struct MachineInfo {
  std::string name;
  MachineState state = MachineState::kRunning;
  base::SystemTime started;
  base::SystemTime ends;  // by itself, at the latest
  std::string address;    // of the machine; empty without network
  std::string server;
};

struct RunOptions {
  std::vector<std::string> argv;                   // argv[0] is looked up in the machine's PATH
  std::map<std::string, std::string> environment;  // on top of a clean one
};

// Thread-safe.
class Cloud {
 public:
  virtual ~Cloud() = default;
  virtual Result<MachineInfo> Start(const MachineSpec& spec, const CallContext& context) = 0;
  // Standard input, output and error are those of the calling process.
  virtual Result<int> Run(const std::string& name, const RunOptions& options, const CallContext& context) = 0;
  virtual Result<void> Stop(const std::string& name, const CallContext& context) = 0;
  virtual Result<void> Kill(const std::string& name, const CallContext& context) = 0;
  virtual Result<std::vector<MachineInfo>> List(const CallContext& context) = 0;  // by name
};

// InvalidArgument, naming what is wrong, unless the contract allows the name.
Result<void> CheckMachineName(const std::string& name);
// The same for all of a spec.
Result<void> CheckSpec(const MachineSpec& spec);

}  // namespace seamount::cloud
