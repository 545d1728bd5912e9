#include "cloud/fake_cloud.h"

namespace seamount::cloud {

Result<MachineInfo> FakeCloud::Start(const MachineSpec& spec, const CallContext& context) {
  SEAMOUNT_TRY(CheckSpec(spec));
  if (context.stop.stop_requested()) return base::Cancelled("starting machine '" + spec.name + "'");
  const std::lock_guard lock(mutex_);
  if (FindRunning(spec.name) != nullptr) {
    return base::PreconditionFailed("machine '" + spec.name + "' runs already");
  }
  const base::SystemTime now = base::RealClock().WallNow();
  Machine machine{.info = {.name = spec.name, .started = now, .ends = now + spec.lifetime, .server = spec.server}};
  machines_.insert_or_assign(spec.name, machine);
  return machine.info;
}

Result<int> FakeCloud::Run(const std::string& name, const RunOptions& options, const CallContext&) {
  SEAMOUNT_TRY(CheckMachineName(name));
  if (options.argv.empty()) return base::InvalidArgument("no command to run");
  const std::lock_guard lock(mutex_);
  Machine* const machine = FindRunning(name);
  if (machine == nullptr) return base::NotFound("no machine '" + name + "' runs");
  return command_(machine->disk, options);
}

Result<void> FakeCloud::Stop(const std::string& name, const CallContext& context) { return Kill(name, context); }

Result<void> FakeCloud::Kill(const std::string& name, const CallContext&) {
  SEAMOUNT_TRY(CheckMachineName(name));
  const std::lock_guard lock(mutex_);
  if (machines_.erase(name) == 0) return base::NotFound("there is no machine '" + name + "'");
  return {};
}

Result<std::vector<MachineInfo>> FakeCloud::List(const CallContext&) {
  const std::lock_guard lock(mutex_);
  std::vector<MachineInfo> all;
  for (const auto& [name, machine] : machines_) {
    FindRunning(name);
    all.push_back(machine.info);
  }
  return all;
}

FakeCloud::Machine* FakeCloud::FindRunning(const std::string& name) {
  const auto found = machines_.find(name);
  if (found == machines_.end()) return nullptr;
  MachineInfo& info = found->second.info;
  if (info.ends <= base::RealClock().WallNow()) info.state = MachineState::kDead;
  return info.state == MachineState::kRunning ? &found->second : nullptr;
}

void FakeCloud::Crash(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = machines_.find(name);
  if (found != machines_.end()) found->second.info.state = MachineState::kDead;
}

}  // namespace seamount::cloud
