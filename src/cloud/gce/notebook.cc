#include "cloud/gce/notebook.h"

#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "cloud/gce/vm_scripts.h"
#include "gcs/admin_json.h"

namespace seamount::cloud::gce {

std::vector<std::string> SshArguments(const Intent& intent) {
  return {"gcloud",       "compute", "ssh",       intent.instance(),     "--project",
          intent.project, "--zone",  intent.zone, "--tunnel-through-iap"};
}

std::string_view NotebookScript() { return kNotebookScript; }

Result<NotebookServer> ParseNotebookServer(std::string_view output) {
  while (output.ends_with('\n')) output.remove_suffix(1);
  const std::string_view last = output.substr(output.find_last_of('\n') + 1);
  const auto json = base::NestsDeeper(last) ? nlohmann::json() : nlohmann::json::parse(last, nullptr, false);
  const auto port = json.is_object() ? json.value("port", nlohmann::json()) : nlohmann::json();
  NotebookServer server{.port = 0, .token = json.is_object() ? gcs::TextOf(json, "token") : ""};
  if (!port.is_number_integer() || port < 1 || port > UINT16_MAX || server.token.empty()) {
    return base::Internal("starting Jupyter on the machine: it does not say where it is");
  }
  server.port = port.get<uint16_t>();
  return server;
}

std::string SshConfig(const Intent& intent) {
  const std::string name = intent.instance();
  return "Host " + name + "\n  HostName " + name + "\n  IdentityFile ~/.ssh/google_compute_engine\n" +
         "  HostKeyAlias " + name +
         "\n  StrictHostKeyChecking accept-new\n  ProxyCommand gcloud compute start-iap-tunnel " + name +
         " %p --listen-on-stdin --project " + intent.project + " --zone " + intent.zone + " --verbosity=warning\n";
}

}  // namespace seamount::cloud::gce
