// seamount serve: a folder of this machine as a storage server.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "cli/command.h"
#include "server/server.h"

namespace seamount::cli {
namespace {

struct ServeFlags {
  server::ServerOptions server{.port = 9000};
  std::vector<std::string> shares;  // NAME=FOLDER
  std::string port_file;
  std::string log_format = "text";
  bool quiet = false;
};

// Tells the service manager that started us, where one did and asked (sd_notify(3)).
void NotifyManager(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t size = std::strlen(path);
  if (size >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  close(fd);
}

sigset_t HangUp() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  return set;
}

// While it lives, SIGHUP makes the server reload, and ends nothing. Threads that were there before it must block the
// signal.
class Reloader {
 public:
  explicit Reloader(server::Server& server) : thread_([this, &server] { Run(server); }) {}
  ~Reloader() {
    ending_ = true;
    pthread_kill(thread_.native_handle(), SIGHUP);
    thread_.join();
  }
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

 private:
  void Run(server::Server& server) {
    const sigset_t set = HangUp();
    for (int got = 0; sigwait(&set, &got) == 0 && !ending_;) {
      const auto now = std::chrono::steady_clock::now().time_since_epoch();
      NotifyManager("RELOADING=1\nMONOTONIC_USEC=" +
                    std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
      const auto reloaded = server.Reload();
      NotifyManager("READY=1");
      std::fputs(reloaded ? "Reloaded: the log is a new file, the TLS certificate was read again.\n"
                          : ("seamount serve: reloading: " + reloaded.error().message() + "\n").c_str(),
                 reloaded ? stdout : stderr);
      std::fflush(stdout);
    }
  }

  std::atomic<bool> ending_ = false;
  std::thread thread_;
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

Result<server::SharedFolder> ParseSharedFolder(const std::string& text) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size())
    return base::InvalidArgument("--share " + text +
                                 ": expected NAME=FOLDER, the bucket's name and a folder of this machine "
                                 "(winds=/data/winds)");
  return server::SharedFolder{text.substr(0, at), text.substr(at + 1)};
}

Result<int> Serve(const ServeFlags& flags) {
  if (!flags.quiet) base::SetLogLevel(base::LogLevel::kInfo);
  const sigset_t hang_up = HangUp();
  pthread_sigmask(SIG_BLOCK, &hang_up, nullptr);
  const CallContext context = Interruptible();
  server::ServerOptions options = flags.server;
  options.log_requests = !flags.quiet || !options.log_file.empty();
  options.log_format = flags.log_format == "json" ? server::LogFormat::kJson : server::LogFormat::kText;
  for (const std::string& text : flags.shares) {
    SEAMOUNT_TRY_ASSIGN(auto share, ParseSharedFolder(text));
    options.shares.push_back(std::move(share));
  }
  SEAMOUNT_TRY_ASSIGN(const auto server, server::StartServer(options));
  const Reloader reloader(*server);
  if (!flags.port_file.empty()) SEAMOUNT_TRY(WritePortFile(flags.port_file, server->port()));
  std::printf("Serving %s at %s (administrator's key: %s). Ctrl-C ends it.\n", flags.server.directory.c_str(),
              server->endpoint().c_str(), server->admin_key_file().c_str());
  for (const server::SharedFolder& share : options.shares)
    std::printf("Sharing %s as gs://%s, read-only.\n", share.folder.c_str(), share.bucket.c_str());
  std::printf("Next: seamount setup gs://BUCKET --endpoint %s --admin-key %s --key BUCKET-key.json\n",
              server->endpoint().c_str(), Quoted(server->admin_key_file()).c_str());
  const bool everywhere = options.address == "0.0.0.0" || options.address == "::";
  if (everywhere && options.public_url.empty())
    std::printf(
        "Keys are made for the address that 'setup' is told. Under a name, or through a proxy or a tunnel: "
        "--public-url URL.\n");
  std::fflush(stdout);
  NotifyManager("READY=1\nSTATUS=Serving at " + server->endpoint());

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
  NotifyManager("STOPPING=1");
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
                 "seamount serve ~/lab-data --share winds=/data/winds\n"
                 "seamount serve /srv/seamount --address 0.0.0.0 --public-url https://lab.example.org:9000 "
                 "--tls-cert cert.pem --tls-key key.pem");
  command.add_option("DIR", flags->server.directory, "Folder that holds buckets and objects; made where missing")
      ->required();
  command
      .add_option(
          "--share", flags->shares,
          "A folder of this machine that is bucket NAME as it is, read-only and without import; may be repeated")
      ->type_name("NAME=FOLDER")
      ->allow_extra_args(false);
  command.add_option("--address", flags->server.address, "Address to listen on")->capture_default_str();
  command.add_option("--port", flags->server.port, "Port to listen on; 0 takes any free one")->capture_default_str();
  auto* certificate = command.add_option("--tls-cert", flags->server.tls_certificate_file, "TLS certificate (PEM)");
  auto* key = command.add_option("--tls-key", flags->server.tls_key_file, "TLS private key (PEM)");
  certificate->needs(key);
  key->needs(certificate);
  command
      .add_option("--public-url", flags->server.public_url,
                  "Address that clients elsewhere use, if not the one listened on: keys and all URLs are made for it")
      ->type_name("URL");
  command.add_option("--proxy", flags->server.proxy,
                     "Address of a proxy in front whose X-Forwarded-Proto and X-Forwarded-Host are believed");
  command.add_option("--log-file", flags->server.log_file, "Log requests to this file; SIGHUP goes on in a new one");
  command.add_option("--log-format", flags->log_format, "Of the request log")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command.add_flag("--testing", flags->server.testing,
                   "Let clients ask for faults (POST /retry_test, as Google's storage-testbench); for tests only");
  command.add_option("--port-file", flags->port_file, "Write the port to this file once listening");
  command.add_flag("--quiet", flags->quiet, "Log warnings only, not every request");
  OnChosen(command, chosen, [flags] { return Serve(*flags); });
}

}  // namespace seamount::cli
