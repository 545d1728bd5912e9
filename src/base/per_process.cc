#include "base/per_process.h"

#include <pthread.h>

namespace seamount::base {
namespace {

std::atomic<uint64_t> forks = 0;

}  // namespace

uint64_t CountForks() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { ++forks; });
  static_cast<void>(registered);  // fails without memory alone
  return forks;
}

}  // namespace seamount::base
