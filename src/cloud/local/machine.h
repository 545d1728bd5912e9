// The processes of a machine: its init, and commands that enter it.
#pragma once

#include <string>

#include "base/fd.h"
#include "cloud/cloud.h"
#include "cloud/local/network.h"
#include "cloud/local/state.h"

namespace seamount::cloud::local {

// Starts the machine's init and returns when it is ready (its disk laid out, its network up). `lock` is what the init
// holds for as long as it lives; record.init_pid is filled in and `record` saved on the way.
Result<void> StartInit(const MachineSpec& spec, const Endpoint* server, const StateDirectory& state,
                       const std::string& staging, base::Fd lock, MachineRecord& record);

// Runs a command in the machine of that first process (a pidfd), with our standard input and outputs, and returns its
// exit code. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to it while it runs, unless a terminal has sent them to
// it as well.
Result<int> RunInside(const MachineRecord& record, const base::Fd& init, const RunOptions& options,
                      const CallContext& context);

}  // namespace seamount::cloud::local
