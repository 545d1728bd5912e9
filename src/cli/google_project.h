// A project at Google as the commands see it: the flags that name it, and what opens it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cloud/gce/jobs.h"
#include "cloud/gce/machines.h"

namespace seamount::cli {

// Of every command that speaks of machines.
struct GoogleFlags {
  std::string cloud = "local";
  std::string bucket, project;
  StoreFlags store;

  bool chosen() const { return cloud != "local"; }
};
void AddGoogleFlags(CLI::App& command, GoogleFlags& flags);
// "90s", "30min", "12h", "7d" into seconds.
void AddTimeOption(CLI::App& command, const std::string& name, uint64_t& seconds, const std::string& what,
                   const std::string& shown_default);

struct Google {
  std::string bucket, project;
  std::string bucket_location;  // empty: not known
  std::unique_ptr<cloud::gce::Machines> machines;
  std::unique_ptr<cloud::gce::Jobs> jobs;
};
Result<Google> OpenGoogle(const GoogleFlags& flags);

}  // namespace seamount::cli
