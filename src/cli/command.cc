#include "cli/command.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace seamount::cli {

int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal: return kExitFailed;
    case ErrorCode::kInvalidArgument: return kExitUsage;
    case ErrorCode::kNotFound: return 3;
    case ErrorCode::kPreconditionFailed: return 4;
    case ErrorCode::kPermissionDenied: return 5;
    case ErrorCode::kUnauthenticated: return 6;
    case ErrorCode::kUnavailable: return 7;
    case ErrorCode::kResourceExhausted: return 8;
    case ErrorCode::kDataLoss: return 9;
    case ErrorCode::kCancelled: return 130;  // as a shell reports SIGINT
  }
  return kExitFailed;
}

CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& summary,
                     const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, summary);
  std::string footer = "Example:";
  size_t begin = 0;
  while (begin < examples.size()) {
    const size_t end = std::min(examples.find('\n', begin), examples.size());
    footer += "\n  " + examples.substr(begin, end - begin);
    begin = end + 1;
  }
  command->footer(footer);
  return *command;
}

void OnChosen(CLI::App& command, Chosen& chosen, Run run) {
  command.callback([&command, &chosen, run = std::move(run)] {
    chosen.name = command.get_name();
    for (const CLI::App* up = command.get_parent(); up && up->get_parent(); up = up->get_parent()) {
      chosen.name = up->get_name() + " " + chosen.name;
    }
    chosen.run = run;
  });
}

void AddEndpointFlag(CLI::App& command, std::string& endpoint) {
  command
      .add_option("--endpoint", endpoint,
                  "Storage server (default: the key's, else $STORAGE_EMULATOR_HOST's, else Google's)")
      ->type_name("URL");
  // Into the environment, made absolute: so it is also for programs that the command starts, and for a mount in the
  // background, which works in another folder.
  const auto trust = [](const std::string& file) {
    ::setenv("SEAMOUNT_CA", std::filesystem::absolute(file).c_str(), 1);
  };
  command.add_option_function<std::string>("--ca", trust, "Trust the server by this certificate, and by no other")
      ->type_name("FILE")
      ->envname("SEAMOUNT_CA")
      ->check(CLI::ExistingFile.description(""));
}

void AddStoreFlags(CLI::App& command, StoreFlags& flags) {
  AddEndpointFlag(command, flags.endpoint);
  auto* key = command.add_option("--key", flags.key, "Service-account key file (default: what this machine has)");
  key->type_name("FILE");
  command.add_flag("--anonymous", flags.anonymous, "Send no credentials: for public buckets")->excludes(key);
}

stores::StoreConfig ConfigFromFlags(const StoreFlags& flags) {
  return {.endpoint = flags.endpoint, .key_file = flags.key, .anonymous = flags.anonymous};
}

Result<std::shared_ptr<Store>> OpenFromFlags(const std::string& url, const StoreFlags& flags) {
  return stores::OpenStore(url, ConfigFromFlags(flags));
}

std::string Count(uint64_t number, const char* what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

Result<void> WriteOutput(const Bytes& bytes) {
  std::string_view left = bytes.view();
  while (!left.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ResourceExhausted(std::string("writing to standard output: ") + std::strerror(errno));
    left.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

void AddJsonFlag(CLI::App& command, bool& json) { command.add_flag("--json", json, "Print JSON, for scripts"); }

}  // namespace seamount::cli
