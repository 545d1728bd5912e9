// How a machine is connected, so that it reaches one address and port and nothing else.
//
// How it works: between the machine and this host lies a network namespace of its own, the gate, joined to both by a
// veth pair each. The gate forwards by policy routing alone: packets from the machine to the server's address and TCP
// port are routed, and so are the server's answers; everything else, its own addresses included, is prohibited. The
// machine cannot change that, since the gate is not its namespace; no packet filter is needed on the host; and when the
// machine dies the gate goes with it, and with the gate the host's end of the veth pair and its route. Neighbours are
// entered by hand, because a gate that answers nothing answers no ARP either.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace seamount::cloud::local {

// Machines get networks 10.83.1.0/24 … 10.83.250.0/24 by slot; 10.83.0.1 is the host's own address among them.
inline constexpr int kSlots = 250;
inline constexpr char kHostAddress[] = "10.83.0.1";

struct Endpoint {
  std::string address;
  uint16_t port = 0;
};
// "10.83.0.1:8080"; InvalidArgument says what was expected, also when the address is not one of this host, or one that
// no other machine can reach (127.0.0.1).
Result<Endpoint> ParseServer(const std::string& server);

std::string MachineAddress(int slot);

struct MachineNetwork {
  base::Fd machine;  // its network namespace
  base::Fd gate;     // held open by the machine's init; empty without network
};
// Makes the namespaces and joins them. Must be called by a single-threaded process, whose network namespace afterwards
// is the machine's. `server` null: only a loopback device.
Result<MachineNetwork> MakeNetwork(int slot, const Endpoint* server);

// Takes away the host's end, should it still be there. The kernel does this too, but some time after the machine died.
void RemoveHostEnd(int slot);

// Gives this host the address that machines reach it by (on its loopback device), unless it has it.
Result<void> AddHostAddress();
Result<void> RemoveHostAddress();

}  // namespace seamount::cloud::local
