#include "cloud/local/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <sched.h>
#include <sys/socket.h>

#include <charconv>

#include "base/os_error.h"
#include "cloud/local/program.h"

namespace seamount::cloud::local {
namespace {

// By number: the name is looked up in /etc/protocols, which a minimal system does not have.
const std::string kTcp = "6";

std::string Slot(int slot) { return std::to_string(slot); }
std::string HostDevice(int slot) { return "seamount" + Slot(slot); }
std::string Address(int slot, int last) { return "10.83." + Slot(slot) + "." + std::to_string(last); }
// Locally administered, and different at the four ends of the two pairs.
std::string HardwareAddress(int slot, int end) {
  char text[32];
  std::snprintf(text, sizeof(text), "02:53:4d:00:%02x:%02x", slot, end);
  return text;
}

Result<base::Fd> OpenOwnNamespace() {
  base::Fd ns(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!ns) return base::OsError(errno, "opening /proc/self/ns/net");
  return ns;
}

Result<base::Fd> NewNamespace() {
  if (unshare(CLONE_NEWNET) != 0) return base::OsError(errno, "making a network namespace");
  return OpenOwnNamespace();
}

// Settings of the namespace that the process is in. IPv6 may be missing from the kernel.
Result<void> Set(const std::string& key, const std::string& value) {
  const std::string path = "/proc/sys/net/" + key;
  const base::Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return {};
  if (!file || write(file.get(), value.data(), value.size()) < 0) return base::OsError(errno, "setting " + path);
  return {};
}

Result<void> Ip(const std::string& batch, const base::Fd& ns) {
  const auto done = RunProgram({"ip", "-batch", "-"}, batch, ns.get());
  if (!done && done.error().code() == ErrorCode::kNotFound) {
    return base::NotFound("program 'ip' is not installed: apt-get install iproute2");
  }
  if (!done) {
    return done.error().Wrap("connecting the machine (needs veth devices and policy routing: `modprobe veth`)");
  }
  return {};
}

std::string Neighbour(const std::string& address, const std::string& hardware, const std::string& device) {
  return "neigh replace " + address + " lladdr " + hardware + " nud permanent dev " + device + "\n";
}

// The four ends: .2 machine, .1 gate towards it, .6 gate towards the host, .5 host.
Result<void> Join(int slot, const Endpoint& server, const base::Fd& host, const base::Fd& gate,
                  const base::Fd& machine) {
  const std::string self = "/proc/" + std::to_string(getpid()) + "/fd/";
  const std::string host_device = HostDevice(slot);
  SEAMOUNT_TRY(Ip("link add eth0 address " + HardwareAddress(slot, 2) + " type veth peer name machine address " +
                      HardwareAddress(slot, 1) + " netns " + self + std::to_string(gate.get()) +
                      "\n"
                      "addr add " +
                      Address(slot, 2) + "/24 dev eth0\nlink set lo up\nlink set eth0 up\n" +
                      Neighbour(Address(slot, 1), HardwareAddress(slot, 1), "eth0") + "route add " + server.address +
                      "/32 via " + Address(slot, 1) + " dev eth0\n",
                  machine));
  // Rule 0, "whatever is addressed to ourselves", goes to the end, behind what the machine sends.
  const std::string port = std::to_string(server.port);
  SEAMOUNT_TRY(Ip("link add host address " + HardwareAddress(slot, 6) + " type veth peer name " + host_device +
                      " address " + HardwareAddress(slot, 5) + " netns " + self + std::to_string(host.get()) +
                      "\naddr add " + Address(slot, 1) + "/30 dev machine\naddr add " + Address(slot, 6) +
                      "/30 dev host\n" + "link set machine up\nlink set host up\n" +
                      Neighbour(Address(slot, 2), HardwareAddress(slot, 2), "machine") +
                      Neighbour(Address(slot, 5), HardwareAddress(slot, 5), "host") + "route add " + server.address +
                      "/32 via " + Address(slot, 5) + " dev host\n" +  //
                      "rule add pref 10 iif machine to " + server.address + "/32 ipproto " + kTcp + " dport " + port +
                      " lookup main\n"
                      "rule add pref 11 iif machine prohibit\n"
                      "rule add pref 12 iif host from " +
                      server.address + "/32 ipproto " + kTcp + " sport " + port +
                      " lookup main\n"
                      "rule add pref 13 iif host prohibit\n"
                      "rule add pref 100 lookup local\nrule del pref 0\n",
                  gate));
  return Ip("addr add " + Address(slot, 5) + "/30 dev " + host_device + "\nlink set " + host_device + " up\n" +
                Neighbour(Address(slot, 6), HardwareAddress(slot, 6), host_device) + "route add " + Address(slot, 2) +
                "/32 via " + Address(slot, 6) + " dev " + host_device + "\n",
            host);
}

bool IsOwnAddress(const in_addr& wanted) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return false;
  bool found = false;
  for (const ifaddrs* at = all; at; at = at->ifa_next) {
    if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET) continue;
    found |= reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr.s_addr == wanted.s_addr;
  }
  freeifaddrs(all);
  return found;
}

}  // namespace

Result<Endpoint> ParseServer(const std::string& server) {
  const Error expected = base::InvalidArgument("server '" + server + "': expected ADDRESS:PORT, as 10.83.0.1:8080");
  const size_t colon = server.rfind(':');
  if (colon == std::string::npos) return expected;
  Endpoint endpoint{.address = server.substr(0, colon)};
  const char* const end = server.data() + server.size();
  const auto [parsed, error] = std::from_chars(server.data() + colon + 1, end, endpoint.port);
  sockaddr_in address = {};
  if (error != std::errc() || parsed != end || endpoint.port == 0 ||
      inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr) != 1) {
    return expected;
  }
  const std::string advice = " (`seamount vm address` makes one that machines reach)";
  if (endpoint.address.starts_with("127.")) {
    return base::InvalidArgument("server '" + server + "': no other machine can reach a loopback address" + advice);
  }
  if (!IsOwnAddress(address.sin_addr)) {
    return base::InvalidArgument("server '" + server + "': " + endpoint.address + " is no address of this host" +
                                 advice);
  }
  return endpoint;
}

std::string MachineAddress(int slot) { return Address(slot, 2); }

Result<MachineNetwork> MakeNetwork(int slot, const Endpoint* server) {
  MachineNetwork network;
  SEAMOUNT_TRY_ASSIGN(const base::Fd host, OpenOwnNamespace());
  if (server) {
    SEAMOUNT_TRY_ASSIGN(network.gate, NewNamespace());
    SEAMOUNT_TRY(Set("ipv6/conf/all/disable_ipv6", "1"));
    SEAMOUNT_TRY(Set("ipv6/conf/default/disable_ipv6", "1"));
    SEAMOUNT_TRY(Set("ipv4/ip_forward", "1"));
  }
  SEAMOUNT_TRY_ASSIGN(network.machine, NewNamespace());
  if (!server) {
    SEAMOUNT_TRY(Ip("link set lo up\n", network.machine));
    return network;
  }
  SEAMOUNT_TRY(Join(slot, *server, host, network.gate, network.machine));
  return network;
}

void RemoveHostEnd(int slot) {
  // Fails where the kernel was faster.
  (void)RunProgram({"ip", "link", "del", HostDevice(slot)});
}

Result<void> AddHostAddress() {
  const auto done = RunProgram({"ip", "addr", "replace", std::string(kHostAddress) + "/32", "dev", "lo"});
  if (!done) return done.error().Wrap("giving this host the address " + std::string(kHostAddress));
  const auto up = RunProgram({"ip", "link", "set", "lo", "up"});
  if (!up) return up.error();
  return {};
}

Result<void> RemoveHostAddress() {
  const auto done = RunProgram({"ip", "addr", "del", std::string(kHostAddress) + "/32", "dev", "lo"});
  if (!done) return done.error().Wrap("taking the address " + std::string(kHostAddress) + " from this host");
  return {};
}

}  // namespace seamount::cloud::local
