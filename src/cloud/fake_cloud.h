// Machines that are entries in a map: for tests of what uses a Cloud.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cloud/cloud.h"

namespace seamount::cloud {

class FakeCloud final : public Cloud {
 public:
  // What a command in a machine does: given its disk (path → content), it returns an exit code.
  using Disk = std::map<std::string, std::string>;
  using Command = std::function<int(Disk& disk, const RunOptions& options)>;
  explicit FakeCloud(Command command) : command_(std::move(command)) {}

  Result<MachineInfo> Start(const MachineSpec& spec, const CallContext& context) override;
  Result<int> Run(const std::string& name, const RunOptions& options, const CallContext& context) override;
  Result<void> Stop(const std::string& name, const CallContext& context) override;
  Result<void> Kill(const std::string& name, const CallContext& context) override;
  Result<std::vector<MachineInfo>> List(const CallContext& context) override;

  // The machine's processes vanish, as in a crash; what is left stays until Stop, Kill or Start.
  void Crash(const std::string& name);

 private:
  struct Machine {
    MachineInfo info;
    Disk disk;
  };
  // Null unless it runs; notes that its lifetime is over. The mutex is held.
  Machine* FindRunning(const std::string& name);
  std::mutex mutex_;
  Command command_;
  std::map<std::string, Machine> machines_;
};

}  // namespace seamount::cloud
