// The commands of `seamount vm` for machines at Google (--cloud gce).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace seamount::cli {

// Of every command that speaks of machines.
struct GoogleFlags {
  std::string cloud = "local";
  std::string bucket, project;
  StoreFlags store;

  bool chosen() const { return cloud != "local"; }
};
void AddGoogleFlags(CLI::App& command, GoogleFlags& flags);

// Of `vm up` alone.
struct GoogleUpFlags {
  std::string gpu, machine_type, image, service_account, network = "global/networks/default", boot_disk = "100GiB";
  std::vector<std::string> places;
  bool spot = false, flex_start = false, no_secure_boot = false;
  double max_price = 0;  // 0: none
  uint64_t wait_s = 0, lease_s = 2 * 3600, idle_s = 1800;
};
void AddGoogleUpFlags(CLI::App& command, GoogleUpFlags& flags);
// "90s", "30min", "12h", "7d" into seconds.
void AddTimeOption(CLI::App& command, const std::string& name, uint64_t& seconds, const std::string& what,
                   const std::string& shown_default);

Result<int> GoogleUp(const GoogleFlags& flags, const GoogleUpFlags& up, const std::string& name, uint64_t lifetime_s,
                     bool json);
Result<int> GoogleDown(const GoogleFlags& flags, const std::string& name);
Result<int> GoogleList(const GoogleFlags& flags, bool orphans, bool json);

// extend, ssh, logs: what only machines at Google have.
void AddGoogleCommands(CLI::App& vm, Chosen& chosen);

}  // namespace seamount::cli
