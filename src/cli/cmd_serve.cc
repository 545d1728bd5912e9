// seamount serve: a folder of this machine as a storage server.
#include <CLI/CLI.hpp>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>

#include "base/log.h"
#include "cli/command.h"
#include "server/server.h"

namespace seamount::cli {
namespace {

struct ServeFlags {
  server::ServerOptions server{.port = 9000};
  std::string port_file;
  bool quiet = false;
};

// Written beside and renamed, so that who waits for the file never reads half a number.
Result<void> WritePortFile(const std::string& path, uint16_t port) {
  const std::string temporary = path + ".new";
  std::ofstream(temporary) << port << '\n';
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    return base::InvalidArgument("--port-file: cannot write " + path);
  return {};
}

// Quotes what a shell would take apart, so that the line printed can be pasted.
std::string Quoted(const std::string& text) {
  if (text.find_first_of(" '\"$`\\;&|<>()*?") == std::string::npos) return text;
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

Result<int> Serve(const ServeFlags& flags) {
  if (!flags.quiet) base::SetLogLevel(base::LogLevel::kInfo);
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto server, server::StartServer(flags.server));
  if (!flags.port_file.empty()) SEAMOUNT_TRY(WritePortFile(flags.port_file, server->port()));
  std::printf("Serving %s at %s (administrator's key: %s). Ctrl-C ends it.\n", flags.server.directory.c_str(),
              server->endpoint().c_str(), server->admin_key_file().c_str());
  std::printf("Next: seamount setup gs://BUCKET --endpoint %s --admin-key %s --key BUCKET-key.json\n",
              server->endpoint().c_str(), Quoted(server->admin_key_file()).c_str());
  std::fflush(stdout);

  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, context.stop, [] { return false; });
  // A large upload in progress may take a while; a client can go on with it after the next start.
  constexpr auto kGrace = std::chrono::seconds(5);
  std::printf(
      "Ending: requests in progress have %lld s, then they are cut off; uploads can go on after the next start.\n",
      static_cast<long long>(kGrace.count()));
  std::fflush(stdout);
  server->Stop(kGrace);
  std::printf("Server ended.\n");
  return kExitOk;
}

}  // namespace

void AddServeCommand(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App& command =
      AddCommand(app, "serve", "Serve a folder of this machine as a bucket storage (GCS-compatible)",
                 "seamount serve ~/lab-data\n"
                 "seamount serve /srv/seamount --address 0.0.0.0 --tls-cert cert.pem --tls-key key.pem");
  command.add_option("DIR", flags->server.directory, "Folder that holds buckets and objects; made where missing")
      ->required();
  command.add_option("--address", flags->server.address, "Address to listen on")->capture_default_str();
  command.add_option("--port", flags->server.port, "Port to listen on; 0 takes any free one")->capture_default_str();
  auto* certificate = command.add_option("--tls-cert", flags->server.tls_certificate_file, "TLS certificate (PEM)");
  auto* key = command.add_option("--tls-key", flags->server.tls_key_file, "TLS private key (PEM)");
  certificate->needs(key);
  key->needs(certificate);
  command
      .add_option("--public-url", flags->server.public_url,
                  "Address that clients elsewhere use, if not the one listened on")
      ->type_name("URL");
  command.add_flag("--testing", flags->server.testing,
                   "Let clients ask for faults (POST /retry_test, as Google's storage-testbench); for tests only");
  command.add_option("--port-file", flags->port_file, "Write the port to this file once listening");
  command.add_flag("--quiet", flags->quiet, "Log warnings only, not every request");
  OnChosen(command, chosen, [flags] { return Serve(*flags); });
}

}  // namespace seamount::cli
