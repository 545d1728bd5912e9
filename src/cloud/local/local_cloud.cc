#include "cloud/local/local_cloud.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/os_error.h"
#include "cloud/local/control_group.h"
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

  Result<MachineInfo> Start(const MachineSpec& given, const CallContext& context) override {
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
    SEAMOUNT_TRY_ASSIGN(const base::Fd all, state_.LockAll(context));
    SEAMOUNT_TRY_ASSIGN(const auto machines, state_.List());
    SEAMOUNT_TRY_ASSIGN(base::Fd lock, state_.Claim(spec.name));
    MachineRecord record;
    const base::SystemTime now = base::RealClock().WallNow();
    record.info = {.name = spec.name, .started = now, .ends = now + spec.lifetime, .server = spec.server};
    for (const MachineRecord& machine : machines) {
      if (machine.info.name == spec.name) ClearAway(machine);
    }
    auto started = [&]() -> Result<void> {
      SEAMOUNT_TRY(Furnish(spec, machines, record));
      return StartInit(spec, spec.server.empty() ? nullptr : &server, state_, StagingOf(spec.name), std::move(lock),
                       record);
    }();
    if (started && context.stop.stop_requested()) {
      (void)EndInit(record, SIGKILL, kKillTimeoutMs);
      started = base::Cancelled("starting machine '" + spec.name + "'");
    }
    if (!started) {
      ClearAway(record);
      (void)state_.Remove(spec.name);  // the error that matters is the first
      return started.error();
    }
    return record.info;
  }

  Result<int> Run(const std::string& name, const RunOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckMachineName(name));
    if (options.argv.empty()) return base::InvalidArgument("no command to run");
    SEAMOUNT_TRY_ASSIGN(const MachineRecord record, state_.Find(name));
    if (record.info.state == MachineState::kDead) return HasEnded(record.info);
    if (record.info.state == MachineState::kStarting) {
      return base::Unavailable("machine '" + name + "' is starting: try again in a moment");
    }
    SEAMOUNT_TRY_ASSIGN(const base::Fd init, OpenInit(record));
    if (!init) return HasEnded(record.info);
    return RunInside(record, init, options, context);
  }

  Result<void> Stop(const std::string& name, const CallContext& context) override {
    return End(name, SIGTERM, kStopTimeoutMs, context);
  }
  Result<void> Kill(const std::string& name, const CallContext& context) override {
    return End(name, SIGKILL, kKillTimeoutMs, context);
  }

  Result<std::vector<MachineInfo>> List(const CallContext&) override {
    SEAMOUNT_TRY_ASSIGN(const auto records, state_.List());
    std::vector<MachineInfo> all;
    for (const MachineRecord& record : records) all.push_back(record.info);
    return all;
  }

 private:
  std::string StagingOf(const std::string& name) const { return directory_ + "/" + name + "/disk"; }

  // What a machine needs on this side, written into its record.
  Result<void> Furnish(const MachineSpec& spec, const std::vector<MachineRecord>& machines,
                       MachineRecord& record) const {
    if (!spec.server.empty()) {
      SEAMOUNT_TRY_ASSIGN(record.slot, FreeSlot(machines));
      record.info.address = MachineAddress(record.slot);
      RemoveHostEnd(record.slot);
    }
    if (spec.memory_bytes != 0) {
      const std::string group = "seamount-" + spec.name + "-" + std::to_string(getpid());
      SEAMOUNT_TRY_ASSIGN(record.control_group, MakeControlGroup(group, spec.memory_bytes));
    }
    const std::string staging = StagingOf(spec.name);
    if (mkdir(staging.c_str(), 0700) != 0 && errno != EEXIST) return base::OsError(errno, "making " + staging);
    return {};
  }

  // Takes away what a machine without processes has left outside its directory.
  static void ClearAway(const MachineRecord& record) {
    if (record.slot != 0) RemoveHostEnd(record.slot);
    if (!record.control_group.empty()) RemoveControlGroup(record.control_group);
  }

  Result<void> End(const std::string& name, int signal, int timeout_ms, const CallContext& context) {
    SEAMOUNT_TRY(CheckMachineName(name));
    SEAMOUNT_TRY_ASSIGN(const base::Fd all, state_.LockAll(context));
    SEAMOUNT_TRY_ASSIGN(const MachineRecord record, state_.Find(name));
    if (record.info.state == MachineState::kRunning) {
      SEAMOUNT_TRY(EndInit(record, signal, timeout_ms));
    }
    ClearAway(record);
    return state_.Remove(name);
  }

  static Error HasEnded(const MachineInfo& machine) {
    const bool over = machine.ends <= base::RealClock().WallNow();
    return base::NotFound("machine '" + machine.name + "' " +
                          (over ? "has ended by itself: its lifetime is over" : "has died") + " (`seamount vm down " +
                          machine.name + "` clears it away, `seamount vm up` starts it anew)");
  }

  // The machine's first process; no descriptor when it has ended.
  Result<base::Fd> OpenInit(const MachineRecord& record) const {
    base::Fd init(static_cast<int>(syscall(SYS_pidfd_open, record.init_pid, 0)));
    if (!init && errno == ESRCH) return base::Fd();
    if (!init) return base::OsError(errno, "opening the first process of machine '" + record.info.name + "'");
    // It may have ended since the record was read, and its number have gone to another process.
    SEAMOUNT_TRY_ASSIGN(const MachineRecord still, state_.Find(record.info.name));
    const bool same = still.info.state == MachineState::kRunning && still.init_pid == record.init_pid;
    return same ? std::move(init) : base::Fd();
  }

  Result<void> EndInit(const MachineRecord& record, int signal, int timeout_ms) const {
    SEAMOUNT_TRY_ASSIGN(const base::Fd init, OpenInit(record));
    if (!init) return {};
    for (const int sent : {signal, SIGKILL}) {
      if (syscall(SYS_pidfd_send_signal, init.get(), sent, nullptr, 0) != 0 && errno != ESRCH) {
        return base::OsError(errno, "ending machine '" + record.info.name + "'");
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
