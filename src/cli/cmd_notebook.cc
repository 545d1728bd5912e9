// seamount notebook: a notebook on a machine at Google, from here.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "cli/google_project.h"
#include "cli/listens.h"
#include "cloud/gce/notebook.h"
#include "cloud/local/program.h"

extern char** environ;

namespace seamount::cli {
namespace {

using cloud::gce::Intent;

struct ConnectOptions {
  GoogleFlags google{.cloud = "gce"};
  std::string name;
  bool jupyter = false, ssh = false;
  uint16_t port = 8888;
  uint64_t lease_s = 2 * 3600;
};

void Say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

// A program that runs until it is told to end.
class Child {
 public:
  static Result<Child> Start(const std::vector<std::string>& argv) {
    std::vector<char*> arguments;
    for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    Child child;
    const int failed = posix_spawnp(&child.pid_, arguments[0], nullptr, nullptr, arguments.data(), environ);
    if (failed != 0) return base::NotFound("program '" + argv[0] + "' cannot be started: " + std::strerror(failed));
    return child;
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ == 0) return;
    kill(pid_, SIGTERM);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
  }
  bool HasEnded() {
    if (pid_ != 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
    return pid_ == 0;
  }

 private:
  Child() = default;
  pid_t pid_ = 0;
};

// The server on the machine, started if it is not there.
Result<cloud::gce::NotebookServer> StartServer(const Intent& intent, bool colab) {
  auto argv = cloud::gce::SshArguments(intent);
  argv.push_back(std::string("--command=python3 - ") + (colab ? "colab" : "jupyter"));
  SEAMOUNT_TRY_ASSIGN(const std::string output,
                      cloud::local::RunProgram(argv, std::string(cloud::gce::NotebookScript())));
  return cloud::gce::ParseNotebookServer(output);
}

void ShowUrl(const ConnectOptions& options, const cloud::gce::NotebookServer& server) {
  const std::string url = "http://localhost:" + std::to_string(options.port);
  if (options.jupyter) {
    Say("Open this; Ctrl-C ends the connection, and leaves the notebook running on " + options.name + ":");
    std::printf("%s/lab?token=%s\n", url.c_str(), server.token.c_str());
  } else {
    Say("In Colab: Connect, Connect to a local runtime, and paste this. Ctrl-C ends the connection, and leaves the\n"
        "notebook running on " +
        options.name + ":");
    std::printf("%s/?token=%s\n", url.c_str(), server.token.c_str());
  }
  std::fflush(stdout);
}

// Keeps the tunnel open, and the lease alive, until Ctrl-C.
Result<int> KeepOpen(const ConnectOptions& options, const Google& google, const Intent& intent,
                     const cloud::gce::NotebookServer& server, const CallContext& context) {
  constexpr std::chrono::milliseconds kBetweenLooks(200);
  constexpr std::chrono::seconds kBeforeNext(2);
  const std::string here = "127.0.0.1:" + std::to_string(options.port);
  auto argv = cloud::gce::SshArguments(intent);
  for (const std::string& more :
       {std::string("--"), std::string("-N"), std::string("-L"), here + ":127.0.0.1:" + std::to_string(server.port),
        std::string("-o"), std::string("ExitOnForwardFailure=yes"), std::string("-o"),
        std::string("ServerAliveInterval=30")}) {
    argv.push_back(more);
  }
  base::Clock& clock = base::RealClock();
  const std::chrono::seconds lease(options.lease_s);
  base::SteadyTime renew_at = clock.Now() + lease / 4;
  for (bool shown = false;;) {
    SEAMOUNT_TRY_ASSIGN(Child tunnel, Child::Start(argv));
    for (bool open = false; !tunnel.HasEnded();) {
      if (!open && Listens(here)) {
        open = true;
        if (!std::exchange(shown, true)) ShowUrl(options, server);
      }
      if (!clock.SleepFor(kBetweenLooks, context.stop)) return kExitOk;
      if (clock.Now() < renew_at) continue;
      SEAMOUNT_TRY(google.machines->Extend(options.name, lease, context));
      renew_at = clock.Now() + lease / 4;
    }
    if (!shown) return base::Unavailable("the tunnel to '" + options.name + "' ended at once, as told above");
    SEAMOUNT_TRY(google.machines->Extend(options.name, lease, context));  // says so where the machine is gone
    Say("the connection broke; connecting again");
    if (!clock.SleepFor(kBeforeNext, context.stop)) return kExitOk;
  }
}

Result<int> Connect(const ConnectOptions& options) {
  if (options.jupyter && options.ssh) return base::InvalidArgument("--jupyter and --ssh: one of them");
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(options.google));
  SEAMOUNT_TRY_ASSIGN(const Intent intent, google.machines->Find(options.name, context));
  SEAMOUNT_TRY(google.machines->Extend(options.name, std::chrono::seconds(options.lease_s), context));
  if (options.ssh) {
    std::fputs(cloud::gce::SshConfig(intent).c_str(), stdout);
    Say("Put this into ~/.ssh/config, with `User` and your name on the machine (`gcloud compute os-login "
        "describe-profile`); then, in VS Code: Remote-SSH, Connect to Host, " +
        intent.instance());
    return kExitOk;
  }
  if (Listens("127.0.0.1:" + std::to_string(options.port))) {
    return base::PreconditionFailed("port " + std::to_string(options.port) + " of this host is in use: say --port");
  }
  Say("starting Jupyter on " + options.name + " (the first time, it is installed)");
  SEAMOUNT_TRY_ASSIGN(const auto server, StartServer(intent, !options.jupyter));
  return KeepOpen(options, google, intent, server, context);
}

void AddConnect(CLI::App& notebook, Chosen& chosen) {
  CLI::App& command = AddCommand(notebook, "connect",
                                 "Start Jupyter on a machine, and reach it from here: for Colab, or for your browser",
                                 "seamount notebook connect train\nseamount notebook connect train --jupyter\n"
                                 "seamount notebook connect train --ssh >> ~/.ssh/config");
  const auto options = std::make_shared<ConnectOptions>();
  command.add_option("name", options->name, "The machine")->required();
  command.add_flag("--jupyter", options->jupyter, "For your browser, instead of Colab");
  command.add_flag("--ssh", options->ssh, "Print what ~/.ssh/config needs, for VS Code");
  command.add_option("--port", options->port, "Of this host")->capture_default_str()->check(CLI::Range(1, 65535));
  AddTimeOption(command, "--lease", options->lease_s, "The machine's, from now on; renewed while you are connected",
                "2h");
  AddGoogleFlags(command, options->google);
  OnChosen(command, chosen, [options] { return Connect(*options); });
}

}  // namespace

void AddNotebookCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& notebook =
      AddCommand(app, "notebook", "Notebooks on machines at Google", "seamount notebook connect train");
  notebook.require_subcommand(1);
  AddConnect(notebook, chosen);
}

}  // namespace seamount::cli
