#include "cloud/local/local_cloud.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cloud/local/machine.h"

namespace seamount::cloud::local {
namespace {

// Longer than init's grace for its processes.
constexpr int kStopTimeoutMs = 15'000;
constexpr int kKillTimeoutMs = 15'000;

Result<int> FreeSlot(const std::vector<MachineRecord>& machines) {
  std::set<int> used;
  for (const MachineRecord& machine : machines) used.insert(machine.slot);
  for (int slot = 1; slot <= kSlots; ++slot) {
    if (!used.contains(slot)) return slot;
  }
  return base::ResourceExhausted("all " + std::to_string(kSlots) + " machine networks are in use");
}

class LocalCloud final : public Cloud {
 public:
  LocalCloud(StateDirectory state, std::string directory)
      : state_(std::move(state)), directory_(std::move(directory)) {}

  Result<MachineInfo> Start(const MachineSpec& given, const CallContext&) override {
    MachineSpec spec = given;
    SEAMOUNT_TRY(CheckSpec(spec));
    for (Share& share : spec.shares) {
      std::error_code error;
      const auto real = std::filesystem::canonical(share.from, error);
      if (error) return base::NotFound("share '" + share.from + "': " + error.message());
      share.from = real;
    }
    Endpoint server;
    if (!spec.server.empty()) {
      SEAMOUNT_TRY_ASSIGN(server, ParseServer(spec.server));
    }
    SEAMOUNT_TRY_ASSIGN(const Fd all, state_.LockAll());
    SEAMOUNT_TRY_ASSIGN(const auto machines, state_.List());
    SEAMOUNT_TRY_ASSIGN(Fd lock, state_.Claim(spec.name));
    MachineRecord record;
    record.info = {.name = spec.name, .started = base::RealClock().WallNow(), .server = spec.server};
    if (!spec.server.empty()) {
      SEAMOUNT_TRY_ASSIGN(record.slot, FreeSlot(machines));
      record.info.address = MachineAddress(record.slot);
      RemoveHostEnd(record.slot);
    }
    const std::string staging = directory_ + "/" + spec.name + "/disk";
    if (mkdir(staging.c_str(), 0700) != 0 && errno != EEXIST) return SystemError("making " + staging);
    const auto started =
        StartInit(spec, spec.server.empty() ? nullptr : &server, state_, staging, std::move(lock), record);
    if (!started) {
      (void)state_.Remove(spec.name);  // the error that matters is the first
      return started.error();
    }
    return record.info;
  }

  Result<int> Run(const std::string& name, const RunOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckMachineName(name));
    if (options.argv.empty()) return base::InvalidArgument("no command to run");
    SEAMOUNT_TRY_ASSIGN(const MachineRecord record, state_.Find(name));
    if (record.info.state == MachineState::kDead) {
      return base::NotFound("machine '" + name + "' has died (`seamount vm down " + name + "` clears it away)");
    }
    return RunInside(record, options, context);
  }

  Result<void> Stop(const std::string& name, const CallContext&) override { return End(name, SIGTERM, kStopTimeoutMs); }
  Result<void> Kill(const std::string& name, const CallContext&) override { return End(name, SIGKILL, kKillTimeoutMs); }

  Result<std::vector<MachineInfo>> List(const CallContext&) override {
    SEAMOUNT_TRY_ASSIGN(const auto records, state_.List());
    std::vector<MachineInfo> all;
    for (const MachineRecord& record : records) all.push_back(record.info);
    return all;
  }

 private:
  Result<void> End(const std::string& name, int signal, int timeout_ms) {
    SEAMOUNT_TRY(CheckMachineName(name));
    SEAMOUNT_TRY_ASSIGN(const Fd all, state_.LockAll());
    SEAMOUNT_TRY_ASSIGN(const MachineRecord record, state_.Find(name));
    if (record.info.state == MachineState::kRunning) {
      SEAMOUNT_TRY(EndInit(record, signal, timeout_ms));
    }
    if (record.slot != 0) RemoveHostEnd(record.slot);
    return state_.Remove(name);
  }

  static Result<void> EndInit(const MachineRecord& record, int signal, int timeout_ms) {
    const Fd init(static_cast<int>(syscall(SYS_pidfd_open, record.init_pid, 0)));
    if (!init && errno == ESRCH) return {};
    if (!init) return SystemError("opening the first process of machine '" + record.info.name + "'");
    for (const int sent : {signal, SIGKILL}) {
      if (syscall(SYS_pidfd_send_signal, init.get(), sent, nullptr, 0) != 0 && errno != ESRCH) {
        return SystemError("ending machine '" + record.info.name + "'");
      }
      pollfd ended = {init.get(), POLLIN, 0};
      if (poll(&ended, 1, timeout_ms) == 1) return {};
    }
    return base::Unavailable("machine '" + record.info.name + "' does not end, although it was killed");
  }

  StateDirectory state_;
  std::string directory_;
};

}  // namespace

Result<std::unique_ptr<Cloud>> OpenLocalCloud(const LocalCloudOptions& options) {
  if (geteuid() != 0) return base::PermissionDenied("machines on this host are made by root: run it with sudo");
  SEAMOUNT_TRY_ASSIGN(StateDirectory state, StateDirectory::Open(options.state_directory));
  return std::unique_ptr<Cloud>(std::make_unique<LocalCloud>(std::move(state), options.state_directory));
}

Result<std::string> MakeHostAddress() {
  SEAMOUNT_TRY(AddHostAddress());
  return std::string(kHostAddress);
}

Result<void> DropHostAddress() { return RemoveHostAddress(); }

}  // namespace seamount::cloud::local
