// A notebook server on a machine at Google, reached by ssh through IAP: what is run to start it, and what it answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cloud/gce/records.h"

namespace seamount::cloud::gce {

// "gcloud compute ssh …", to which more arguments can be added.
std::vector<std::string> SshArguments(const Intent& intent);

// Python that starts the server or finds it; it takes "colab" or "jupyter" as its argument.
std::string_view NotebookScript();

struct NotebookServer {
  uint16_t port = 0;  // of the machine, which takes connections from itself only
  std::string token;
};
// What the script printed last.
Result<NotebookServer> ParseNotebookServer(std::string_view output);

// What ~/.ssh/config has to say so that `ssh HOST` (and so VS Code) reaches the machine.
std::string SshConfig(const Intent& intent);

}  // namespace seamount::cloud::gce
