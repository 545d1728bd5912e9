// The commands of `seamount vm` for machines at Google (--cloud gce).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/google_project.h"

namespace seamount::cli {

// Of `vm up` alone.
struct GoogleUpFlags {
  std::string gpu, machine_type, image, service_account, network = "global/networks/default", boot_disk = "100GiB";
  std::vector<std::string> places;
  bool spot = false, flex_start = false, no_secure_boot = false;
  double max_price = 0;  // 0: none
  uint64_t wait_s = 0, lease_s = 2 * 3600, idle_s = 1800;
};
void AddGoogleUpFlags(CLI::App& command, GoogleUpFlags& flags);

Result<int> GoogleUp(const GoogleFlags& flags, const GoogleUpFlags& up, const std::string& name, uint64_t lifetime_s,
                     bool json);
Result<int> GoogleDown(const GoogleFlags& flags, const std::string& name);
// Of `vm run` alone.
struct GoogleRunFlags {
  std::string folder;
  bool restart = false, attach = false, detach = false;
  uint64_t lease_s = 2 * 3600;

  // The first that was given of those that say what to do; empty: none.
  std::string Chosen() const;
};
void AddGoogleRunFlags(CLI::App& command, GoogleRunFlags& flags);
// The exit code is the command's.
Result<int> GoogleRun(const GoogleFlags& flags, const GoogleRunFlags& run, const std::string& name,
                      const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment);
Result<int> GoogleList(const GoogleFlags& flags, bool orphans, bool json);

// extend, ssh, logs: what only machines at Google have.
void AddGoogleCommands(CLI::App& vm, Chosen& chosen);

}  // namespace seamount::cli
