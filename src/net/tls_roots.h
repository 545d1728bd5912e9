// The certificates a client trusts, read once and shared by all its connections: libcurl would parse the bundle again
// for each of them, 20 to 30 ms of CPU apiece.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"

namespace seamount::net {

// Thread-safe; outlives the handles it was applied to.
class TlsRoots {
 public:
  // Those of ca_file alone. Where it is empty, the first of: those of the file that SEAMOUNT_CA names, alone; what
  // SSL_CERT_FILE and SSL_CERT_DIR name; the system's bundle, wherever this system keeps it.
  explicit TlsRoots(std::string ca_file) : ca_file_(std::move(ca_file)) {}
  // InvalidArgument names a ca_file, or what SEAMOUNT_CA or SSL_CERT_FILE says, that cannot be read.
  Result<void> Check() const;
  // Makes the easy handle (a CURL*) trust these, and only these. Read from disk at the first TLS connection; what
  // cannot be read trusts nobody.
  void ApplyTo(void* easy) const;

 private:
  struct Store;
  static int OnContext(void* easy, void* ssl_context, void* self);
  std::shared_ptr<Store> Load() const;

  const std::string ca_file_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<Store> store_;
};

}  // namespace seamount::net
